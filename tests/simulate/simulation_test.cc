#include "gateway/simulate/simulation.h"

#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/fake.h"
#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "tests/simulate/probe_device.h"
#include "tests/support/broker.h"
#include "tests/support/tail.h"

namespace gemel::simulate {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// On fakes, with a clock that the test moves.
class SimulationTest : public testing::Test {
 protected:
  void Begin(uint32_t devices, Pace pace) {
    fleet_ = ProbeFleet(ProbeOptions(devices));
    simulation_ = std::make_unique<Simulation>(*fleet_, publisher_, &receiver_, clock_,
                                               SimulationOptions{.pace = pace});
    ASSERT_TRUE(simulation_->Connect(is_stopping_).ok());
    simulation_->Begin();
  }
  // Rounds until there is nothing to do but rest.
  void Settle() {
    while (simulation_->Step() == 0ns) {
    }
  }
  uint64_t SentAfter(Duration duration) {
    clock_.Advance(duration);
    Settle();
    return simulation_->summary().sent;
  }

  std::atomic<bool> is_stopping_{false};
  ManualClock clock_{kStart};
  mqtt::FakePublisher publisher_;
  mqtt::FakeReceiver receiver_;
  std::unique_ptr<Fleet> fleet_;
  std::unique_ptr<Simulation> simulation_;
};

TEST_F(SimulationTest, InRealTimeEachDeviceTicksAtItsOwnPace) {
  Begin(50, {.speed = 1});
  Settle();
  EXPECT_EQ(simulation_->summary().sent, 0u);
  EXPECT_EQ(SentAfter(1s), 50u);
  EXPECT_EQ(SentAfter(2s), 150u);
  EXPECT_EQ(fleet_->now() - kStart, std::clamp(fleet_->now() - kStart, Duration(2s), Duration(3s)));
}

TEST_F(SimulationTest, RateIsOfTheWholeFleet) {
  Begin(50, {.rate = 1'000});
  EXPECT_EQ(SentAfter(500ms), 501u);  // the first goes at once
  EXPECT_EQ(SentAfter(1s), 1'501u);
  EXPECT_GT(fleet_->now(), kStart + 29s);
}

TEST_F(SimulationTest, ACommandIsAnsweredAndItsLatencyMeasured) {
  Begin(1, {.speed = 1});
  Settle();
  SentAfter(1s);
  clock_.Advance(3ms);
  ASSERT_TRUE(receiver_.Deliver("lab/probe/probe-1/command", CommandText("c-1-0", "set")));
  Settle();
  const SimulationSummary summary = simulation_->summary();
  EXPECT_EQ(summary.commands, 1u);
  EXPECT_NEAR(static_cast<double>(summary.p50.count()), 3e6, 3e4);
  EXPECT_EQ(publisher_.published().back().topic, "lab/probe/probe-1/command/ack");
  EXPECT_EQ(publisher_.published().back().qos, 1);
  EXPECT_EQ(receiver_.subscriptions().front().filter, "lab/probe/+/command");
}

TEST_F(SimulationTest, NothingIsLostWhenTheBrokerGoesAndComesBack) {
  publisher_.SetAcknowledging(false);
  Begin(10, {.speed = 1});
  SentAfter(5s);
  publisher_.SetReachable(false);
  SentAfter(5s);
  publisher_.SetReachable(true);
  publisher_.SetAcknowledging(true);
  clock_.Advance(1min);
  for (int i = 0; i < 10; ++i) Settle();
  const SimulationSummary summary = simulation_->summary();
  EXPECT_EQ(summary.sent, 700u);
  EXPECT_EQ(summary.acknowledged, 700u);
  EXPECT_EQ(summary.repeated, 50u);
}

TEST_F(SimulationTest, ABrokerThatDoesNotAnswerAtAllIsAFailure) {
  publisher_.SetReachable(false);
  const SystemClock clock;
  const auto fleet = ProbeFleet(ProbeOptions(1));
  Simulation simulation(*fleet, publisher_, nullptr, clock,
                        {.connect_patience = std::chrono::milliseconds(1)});
  const Status status = simulation.Run(is_stopping_);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "told to be unreachable");
}

TEST_F(SimulationTest, AStopEndsItWithEverythingAcknowledged) {
  const SystemClock clock;
  const auto fleet = ProbeFleet(ProbeOptions(100));
  Simulation simulation(*fleet, publisher_, &receiver_, clock, {.pace = {.rate = 2'000}});
  std::jthread stopper([&] {
    publisher_.AwaitPublished(500, support::kPatience);
    is_stopping_ = true;
  });
  EXPECT_TRUE(simulation.Run(is_stopping_).ok());
  const SimulationSummary summary = simulation.summary();
  EXPECT_GE(summary.sent, 500u);
  EXPECT_EQ(summary.acknowledged, summary.sent);
  EXPECT_EQ(publisher_.disconnects(), 1u);
}

// Against a real one.
class SimulationBrokerTest : public testing::Test {
 protected:
  SimulationBrokerTest() {
    EXPECT_TRUE(broker_.Start().ok());
    const mqtt::Connection connection{.uri = broker_.uri(), .client_id = "fleet"};
    publisher_ = mqtt::MakePahoPublisher(connection, {});
    receiver_ = mqtt::MakePahoReceiver(connection);
  }
  Status Run(SimulationOptions options) {
    simulation_ =
        std::make_unique<Simulation>(*fleet_, *publisher_, receiver_.get(), clock_, options);
    return simulation_->Run(is_stopping_);
  }

  std::atomic<bool> is_stopping_{false};
  const SystemClock clock_;
  support::Broker broker_{{.is_persistent = true}};
  std::unique_ptr<mqtt::Publisher> publisher_;
  std::unique_ptr<mqtt::Receiver> receiver_;
  std::unique_ptr<Fleet> fleet_ = ProbeFleet(ProbeOptions(200));
  std::unique_ptr<Simulation> simulation_;
};

TEST_F(SimulationBrokerTest, EverythingSentIsAcknowledgedAndReceived) {
  support::Tail tail(broker_, {"lab/probe/+/telemetry"});
  const Status status = Run({.pace = {}, .messages = 5'000});
  EXPECT_TRUE(status.ok()) << status.message();
  const SimulationSummary summary = simulation_->summary();
  EXPECT_GE(summary.sent, 5'000u);
  EXPECT_EQ(summary.acknowledged, summary.sent);
  EXPECT_TRUE(tail.WaitForCount(summary.sent));
  std::set<std::string> topics;
  for (const support::Seen& seen : tail.seen()) topics.insert(seen.topic);
  EXPECT_EQ(topics.size(), 200u);
}

TEST_F(SimulationBrokerTest, ACommandThroughTheBrokerIsAnswered) {
  support::Tail tail(broker_, {"lab/probe/+/command/ack"});
  support::Tail telemetry(broker_, {"lab/probe/probe-7/telemetry"});
  std::jthread fleet([&] { EXPECT_TRUE(Run({}).ok()); });
  EXPECT_TRUE(telemetry.WaitForCount(1));  // then it is subscribed, too
  const std::string set = CommandText("c-a-0", "set", R"({"to":1})");
  EXPECT_TRUE(support::Publish(broker_, "lab/probe/probe-7/command", set).ok());
  EXPECT_TRUE(tail.WaitForCount(1));
  is_stopping_ = true;
  fleet.join();
  EXPECT_EQ(tail.seen().front().topic, "lab/probe/probe-7/command/ack");
  EXPECT_EQ(tail.seen().front().payload, R"({"id":"c-a-0","status":"successful"})");
  const SimulationSummary summary = simulation_->summary();
  EXPECT_EQ(summary.commands, 1u);
  EXPECT_GT(summary.p50.count(), 0);
}

TEST_F(SimulationBrokerTest, ABrokerThatIsKilledAndComesBackLosesNothingUnacknowledged) {
  support::Tail telemetry(broker_, {"lab/probe/+/telemetry"});
  std::jthread fleet([&] {
    const Status status = Run({.pace = {.rate = 2'000}, .drain_patience = support::kPatience});
    EXPECT_TRUE(status.ok()) << status.message();
  });
  EXPECT_TRUE(telemetry.WaitForCount(500));
  broker_.Kill();
  EXPECT_TRUE(broker_.Start().ok());
  support::Tail again(broker_, {"lab/probe/+/telemetry"});
  EXPECT_TRUE(again.WaitForCount(500));
  is_stopping_ = true;
  fleet.join();
  const SimulationSummary summary = simulation_->summary();
  EXPECT_EQ(summary.acknowledged, summary.sent);
  EXPECT_EQ(summary.sent, fleet_->stats().telemetry);
}

}  // namespace
}  // namespace gemel::simulate
