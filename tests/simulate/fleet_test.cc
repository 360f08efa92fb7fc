#include "gateway/simulate/fleet.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulate/probe_device.h"

namespace gemel::simulate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class FleetTest : public testing::Test {
 protected:
  void Make(FleetOptions options) {
    fleet_ = ProbeFleet(std::move(options));
    fleet_->Begin(kStart);
  }
  void RunFor(Duration duration) { fleet_->RunUntil(fleet_->now() + duration, out_); }
  CommandOutcome Order(uint32_t device, const std::string& payload, Time received = kStart) {
    return fleet_->HandleCommand(device, payload, fleet_->now(), received, out_);
  }

  std::unique_ptr<Fleet> fleet_;
  Recorder out_;
};

std::string RunOf(uint64_t seed) {
  const auto fleet = ProbeFleet(ProbeOptions(20, seed));
  fleet->Begin(kStart);
  Recorder out;
  fleet->RunUntil(kStart + 5s, out);
  fleet->HandleCommand(2, CommandText("c-1-0", "set", R"({"to":7})"), fleet->now() + 10ms, kStart,
                       out);
  fleet->RunUntil(kStart + 10s, out);
  return out.Text() + out.truths;
}

TEST(FleetSeedTest, TheSameSeedGivesTheSameBytesAndAnotherDoesNot) {
  const std::string first = RunOf(1);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, RunOf(1));
  EXPECT_NE(first, RunOf(2));
}

TEST(FleetSeedTest, HowOftenItIsAskedToRunDoesNotMatter) {
  const auto fleet = ProbeFleet(ProbeOptions(20));
  fleet->Begin(kStart);
  Recorder at_once;
  fleet->RunUntil(kStart + 5s, at_once);

  const auto again = ProbeFleet(ProbeOptions(20));
  again->Begin(kStart);
  Recorder in_steps;
  for (Time now = kStart; now < kStart + 5s; now += 7ms) again->RunUntil(now, in_steps);
  again->RunUntil(kStart + 5s, in_steps);
  EXPECT_EQ(at_once.Text(), in_steps.Text());
}

TEST_F(FleetTest, DevicesStartAndTickWhenTheyAskTo) {
  Make(ProbeOptions(3));
  EXPECT_EQ(fleet_->NextAt(), kStart);
  RunFor(0s);
  EXPECT_THAT(out_.messages, IsEmpty());
  EXPECT_GT(fleet_->NextAt(), kStart);
  RunFor(10s);
  for (uint32_t device = 0; device < 3; ++device) EXPECT_EQ(out_.TelemetryOf(device), 10u);
  EXPECT_EQ(out_.messages.front().topic.substr(0, 16), "lab/probe/probe-");
  EXPECT_EQ(fleet_->now(), kStart + 10s);
  EXPECT_EQ(fleet_->stats().telemetry, 30u);
}

TEST_F(FleetTest, MessagesComeInTheOrderOfVirtualTime) {
  Make(ProbeOptions(10));
  RunFor(3s);
  std::string last;
  for (const auto& message : out_.messages) {
    const std::string time = message.payload.substr(message.payload.find("time_ms"), 22);
    EXPECT_LE(last, time);
    last = time;
  }
}

TEST_F(FleetTest, TopicsHoldWhatTheDeviceSetEncodedAndNoneWhereItDidNot) {
  FleetOptions options = ProbeOptions(20);
  options.telemetry = Topic("lab/{region}/{site}/{id}");
  Make(std::move(options));
  RunFor(1s);
  std::set<std::string> regions;
  for (const auto& message : out_.messages) {
    regions.insert(message.topic.substr(0, message.topic.find("/probe-")));
  }
  EXPECT_THAT(regions, ElementsAre("lab/A%2FB/none", "lab/Z%2B%C3%BC/none"));
}

TEST_F(FleetTest, ACommandReachesItsDeviceAndIsAnswered) {
  Make(ProbeOptions(3));
  RunFor(0s);
  EXPECT_EQ(Order(1, CommandText("c-1-0", "set", R"({"to":12.5,"why":"x","deep":[1]})")),
            CommandOutcome::kDone);
  ASSERT_EQ(out_.messages.size(), 2u);
  EXPECT_EQ(out_.messages[0].topic, "lab/probe/probe-2/telemetry");
  EXPECT_THAT(out_.messages[0].payload, HasSubstr(R"("number":12.5)"));
  EXPECT_EQ(out_.messages[1].topic, "lab/probe/probe-2/command/ack");
  EXPECT_EQ(out_.messages[1].payload, R"({"id":"c-1-0","status":"successful"})");
  EXPECT_EQ(out_.messages[1].device, 1u);
}

TEST_F(FleetTest, ARepeatedCommandIsAnsweredAgainButNotDoneAgain) {
  Make(ProbeOptions(1));
  RunFor(0s);
  const std::string set = CommandText("c-1-0", "set");
  const std::string broken = CommandText("c-1-1", "break");
  Order(0, set);
  Order(0, broken);
  out_.messages.clear();
  EXPECT_EQ(Order(0, set), CommandOutcome::kRepeated);
  EXPECT_EQ(Order(0, broken), CommandOutcome::kRepeated);
  EXPECT_EQ(out_.TelemetryOf(0), 0u);
  EXPECT_THAT(out_.Answers(), ElementsAre(R"({"id":"c-1-0","status":"successful"})",
                                          HasSubstr(R"("status":"failed")")));
  EXPECT_EQ(fleet_->stats().commands, 2u);
}

TEST_F(FleetTest, AnExpiredCommandIsNotDone) {
  Make(ProbeOptions(1));
  RunFor(0s);
  const std::string late = CommandText("c-1-0", "set", "{}", R"(,"expires_ms":1700000000000)");
  EXPECT_EQ(Order(0, late, kStart + 1ms), CommandOutcome::kExpired);
  EXPECT_EQ(out_.TelemetryOf(0), 0u);
  EXPECT_THAT(out_.Answers(), ElementsAre(HasSubstr("expired")));
  const std::string good = CommandText("c-2-0", "set", "{}", R"(,"expires_ms":1700000000000)");
  EXPECT_EQ(Order(0, good, kStart), CommandOutcome::kDone);
}

TEST_F(FleetTest, WhatIsNoCommandOfOursIsCountedAndNotAnswered) {
  Make(ProbeOptions(3));
  RunFor(0s);
  EXPECT_EQ(fleet_->DeviceOf("lab/probe/probe-1/command"), 0u);
  EXPECT_EQ(fleet_->DeviceOf("lab/probe/probe-3/command"), 2u);
  for (const char* device : {"probe-0", "probe-4", "probe-02", "probe-", "truck-1", "probe-1x",
                             "probe-99999999999", "probe--1", "probe-1/x", ""}) {
    const std::string topic = std::string("lab/probe/") + device + "/command";
    EXPECT_EQ(fleet_->DeviceOf(topic), std::nullopt) << topic;
  }
  EXPECT_EQ(fleet_->DeviceOf("lab"), std::nullopt);
  const std::string deep(100'000, '[');
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(R"({"id":1,"name":"x"})"),
        std::string(R"({"id":"c-1-0"})"), std::string("\xff"), deep, std::string()}) {
    EXPECT_EQ(Order(0, bad), CommandOutcome::kInvalid) << bad.substr(0, 40);
  }
  EXPECT_THAT(out_.messages, IsEmpty());
  EXPECT_EQ(fleet_->stats().commands_foreign, 11u);
  EXPECT_EQ(fleet_->stats().commands_invalid, 7u);
}

TEST_F(FleetTest, ACommandThatFailsHasNoEffectAndSaysSo) {
  Make(ProbeOptions(1));
  RunFor(0s);
  Order(0, CommandText("c-1-0", "set", R"({"to":5})"));
  const Time next = fleet_->NextAt();
  out_.messages.clear();
  EXPECT_EQ(Order(0, CommandText("c-2-0", "break")), CommandOutcome::kFailed);
  EXPECT_THAT(out_.Answers(),
              ElementsAre(StartsWith(R"({"id":"c-2-0","status":"failed","reason":)")));
  EXPECT_EQ(fleet_->NextAt(), next);
  EXPECT_EQ(fleet_->stats().calls_failed, 1u);
  RunFor(1s);
  EXPECT_THAT(out_.messages.back().payload, testing::Not(HasSubstr("-9")));
}

TEST_F(FleetTest, ADeviceThatThrowsIsCountedAndTheOthersGoOn) {
  Make(ProbeOptions(3));
  RunFor(1s);
  Order(1, CommandText("c-1-0", "stick"));
  out_ = {};
  RunFor(5s);
  EXPECT_EQ(out_.TelemetryOf(0), 5u);
  EXPECT_EQ(out_.TelemetryOf(1), 0u);
  EXPECT_EQ(out_.TelemetryOf(2), 5u);
  EXPECT_EQ(fleet_->stats().calls_failed, 1u);
  EXPECT_THAT(out_.truths, testing::Not(HasSubstr("probe-2")));
}

TEST_F(FleetTest, TheTruthIsToldAsLines) {
  Make(ProbeOptions(1));
  RunFor(2s);
  const std::string ms = out_.messages[0].payload.substr(out_.messages[0].payload.find("17"), 13);
  EXPECT_THAT(out_.truths, StartsWith(R"({"time_ms":)" + ms +
                                      R"(,"model":"probe","id":"probe-1",)"
                                      R"("fault":"odd","event":"begin"})"
                                      "\n"));
  EXPECT_THAT(out_.truths, HasSubstr(R"("event":"end"})"
                                     "\n"));
}

TEST_F(FleetTest, WithoutTopicsForCommandsThereAreNone) {
  FleetOptions options = ProbeOptions(1);
  options.command.reset();
  options.answer.reset();
  Make(std::move(options));
  EXPECT_EQ(fleet_->CommandFilter(), "");
  EXPECT_EQ(fleet_->DeviceOf("lab/probe/probe-1/command"), std::nullopt);
  RunFor(0s);
}

TEST(FleetCreateTest, WhatCannotWorkIsRefusedWithItsName) {
  const gemel_device* device = ModelTable<ProbeModel>()->device;
  const auto why = [&](const gemel_device* table, FleetOptions options) {
    return Fleet::Create(table, std::move(options)).status().message();
  };
  FleetOptions options = ProbeOptions(1);
  options.telemetry = Topic("lab/+/{id}");
  EXPECT_THAT(why(device, options), HasSubstr("lab/+/{id}"));
  options = ProbeOptions(1);
  options.command = Topic("lab/{region}/command");
  EXPECT_THAT(why(device, options), HasSubstr("{id}"));
  EXPECT_THAT(why(device, ProbeOptions(0)), HasSubstr("0 devices"));
  EXPECT_THAT(why(nullptr, ProbeOptions(1)), HasSubstr("no device"));
}

}  // namespace
}  // namespace gemel::simulate
