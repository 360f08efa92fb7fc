#include "gateway/twin/engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  // The bytes of a twin's state.
  std::vector<std::byte> State(std::string_view id) {
    const Twin* twin = lab_.Find(id);
    EXPECT_NE(twin, nullptr) << id;
    return {twin->state(), twin->state() + sizeof(Probe::State)};
  }
  // The one dead letter that was sent, and nothing besides it.
  nlohmann::json DeadLetter(Refusal reason) {
    const std::vector<Kept> sent = lab_.Take();
    EXPECT_EQ(sent.size(), 1u);
    if (sent.size() != 1) return {};
    EXPECT_EQ(sent[0].kind, effects::EffectKind::kDeadLetter);
    EXPECT_EQ(sent[0].topic, "gemel/deadletter/" + std::string(RefusalName(reason)));
    EXPECT_FALSE(sent[0].is_retained);
    return nlohmann::json::parse(sent[0].payload);
  }

  Lab lab_;
};

TEST_F(EngineTest, TheFirstMessageMakesTheTwinWithItsProfile) {
  const Lsn lsn = lab_.Say({.id = "p1", .json = R"({"a": 1.5})"});
  lab_.Say({.id = "p2", .json = "{}"});
  EXPECT_EQ(lab_.Field("p1", "a"), "1.5");
  EXPECT_EQ(lab_.Field("p1", "limit"), "4") << "of its profile";
  EXPECT_EQ(lab_.Field("p2", "limit"), "8") << "the model's default";
  EXPECT_EQ(lab_.Field("p1", "is_ready"), "true");
  EXPECT_EQ(lab_.Field("p1", "region"), "\"north\"");
  EXPECT_EQ(lab_.Field("p1", "line"), "\"l1\"");
  EXPECT_EQ(lab_.Find("p1")->applied_lsn, lsn);
  EXPECT_EQ(lab_.Find("p1")->last_telemetry, kStart + std::chrono::seconds(1));
  EXPECT_EQ(lab_.stats().twins_created.value(), 2u);
  EXPECT_EQ(lab_.stats().applied.value(), 2u);
}

TEST_F(EngineTest, OnInitIsCalledOnceForATwin) {
  for (int i = 0; i < 3; ++i) lab_.Say({});
  EXPECT_EQ(lab_.Field("x", "calls"), "3");
  EXPECT_EQ(lab_.stats().twins_created.value(), 1u);
}

TEST_F(EngineTest, MessagesInAnyOrderLeaveTheSameLastKnownFields) {
  const std::array<const char*, 5> texts = {
      R"({"a": 1, "b": 1, "order": "one"})", R"({"a": 2, "is_on": true})",
      R"({"b": 3, "made": 1704067200000})", R"({"a": 4, "order": ""})",
      R"({"a": null, "b": 5, "is_on": null})"};
  std::array<int, 5> order = {0, 1, 2, 3, 4};
  do {
    Lab lab;
    uint64_t late = 0;
    int newest = -1;
    for (const int i : order) {
      late += i < newest ? 1U : 0U;
      newest = std::max(newest, i);
      lab.Say({.json = texts[static_cast<size_t>(i)], .at = i, .region = i == 4 ? "s" : "n"});
    }
    SCOPED_TRACE(testing::PrintToString(order));
    EXPECT_EQ(lab.Field("x", "a"), "4");
    EXPECT_EQ(lab.Field("x", "b"), "5");
    EXPECT_EQ(lab.Field("x", "is_on"), "true");
    EXPECT_EQ(lab.Field("x", "made"), "1704067200000");
    EXPECT_EQ(lab.Field("x", "region"), "\"s\"");
    EXPECT_EQ(lab.stats().late.value(), late);
    EXPECT_EQ(lab.Field("x", "late"), std::to_string(late)) << "the model is told";
    EXPECT_EQ(lab.Field("x", "calls"), "5");
    const auto& state = *reinterpret_cast<const Probe::State*>(lab.Find("x")->state());
    EXPECT_EQ(state.a.at(), kStart + std::chrono::seconds(3)) << "null does not advance it";
    EXPECT_EQ(state.b.at(), kStart + std::chrono::seconds(4));
    EXPECT_EQ(state.is_on.at(), kStart + std::chrono::seconds(1));
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(EngineTest, AtEqualTimesTheLaterRecordWinsAndIsNotLate) {
  lab_.Say({.json = R"({"a": 1, "b": 1})", .at = 7});
  lab_.Say({.json = R"({"a": 2})", .at = 7});
  EXPECT_EQ(lab_.Field("x", "a"), "2");
  EXPECT_EQ(lab_.Field("x", "b"), "1");
  EXPECT_EQ(lab_.stats().late.value(), 0u);
}

TEST_F(EngineTest, ANullLeavesTheFieldAsItIs) {
  lab_.Say({.json = R"({"a": 1})", .at = 1});
  lab_.Say({.json = R"({"a": null})", .at = 9});
  lab_.Say({.json = R"({"a": 3})", .at = 3});
  EXPECT_EQ(lab_.Field("x", "a"), "3") << "the null of second 9 is no newer value";
}

TEST_F(EngineTest, LateIsWithinTwinAndRoute) {
  lab_.Say({.at = 9});
  lab_.Say({.at = 5, .route = kMute});
  lab_.Say({.id = "y", .at = 5});
  EXPECT_EQ(lab_.stats().late.value(), 0u);
  lab_.Say({.at = 8});
  EXPECT_EQ(lab_.stats().late.value(), 1u);
}

TEST_F(EngineTest, LateTelemetryOfADroppingRouteIsCountedAndLeavesTheTwinUnchanged) {
  lab_.Say({.json = R"({"a": 1})", .at = 9, .route = kDropping});
  const auto before = State("x");
  lab_.Say({.json = R"({"b": 2, "order": "reply"})", .at = 8, .route = kDropping});
  EXPECT_EQ(State("x"), before);
  EXPECT_EQ(lab_.stats().late.value(), 1u);
  EXPECT_EQ(lab_.stats().applied.value(), 1u);
  EXPECT_TRUE(lab_.Take().empty());
}

TEST_F(EngineTest, AModelThatThrowsLeavesEverythingUntouchedButOneDeadLetter) {
  lab_.Say({.json = R"({"a": 1, "order": "raise"})", .at = 1});
  lab_.Take();
  for (const auto& [order, error] :
       {std::pair{R"({"a": 2, "order": "reply minor clear throw"})", "told to throw"},
        {R"({"a": 3, "order": "clear throw_int"})", "threw something that is no std::exception"}}) {
    const auto before = State("x");
    const Lsn lsn = lab_.Say({.json = order, .at = 50});
    EXPECT_EQ(State("x"), before);
    EXPECT_EQ(lab_.Find("x")->applied_lsn, lsn) << "it is not to be tried again";
    ASSERT_EQ(lab_.Find("x")->side()->alerts.size(), 1u);
    EXPECT_EQ(lab_.Find("x")->side()->alerts[0].count, 1);
    EXPECT_EQ(lab_.Find("x")->side()->alerts[0].severity, uint32_t{GEMEL_MAJOR});
    const auto letter = DeadLetter(Refusal::kModelFailed);
    EXPECT_EQ(letter["error"], error);
    EXPECT_EQ(letter["topic"], "lab/north/l1/x");
    EXPECT_EQ(letter["lsn"], lsn);
    EXPECT_FALSE(letter["payload_base64"].get<std::string>().empty());
  }
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 2u);
  EXPECT_EQ(lab_.stats().failed.value(), 2u);
  EXPECT_EQ(lab_.stats().applied.value(), 1u);
  lab_.Say({.json = R"({"a": 4})", .at = 2});
  EXPECT_EQ(lab_.Field("x", "a"), "4") << "the next good message is applied";
  EXPECT_EQ(lab_.stats().late.value(), 0u) << "what failed was not seen";
}

TEST_F(EngineTest, ARecordThatIsSetAsideIsADeadLetterAndLeavesTheTwinUnchanged) {
  lab_.Say({.json = R"({"a": 1})", .at = 1});
  const auto before = State("x");
  const journal::Record record{.lsn = MakeLsn(1, 9),
                               .key_hash = HashKey("probe", "x"),
                               .record_time = lab_.now(),
                               .id = "x",
                               .payload = R"({"a": 2})"};
  const std::vector<uint64_t> bytes = Encoded(record);
  lab_.engine.SetAside(journal::RecordView(std::as_bytes(std::span(bytes))));
  EXPECT_EQ(State("x"), before);
  const auto letter = DeadLetter(Refusal::kModelCrashed);
  EXPECT_EQ(letter["lsn"], record.lsn);
  EXPECT_EQ(letter["error"], "the process ended twice while model probe had this message");
  EXPECT_EQ(lab_.refused(Refusal::kModelCrashed), 1u);
}

TEST_F(EngineTest, WhatIsBeingAppliedIsNotedAndNothingBetweenRecords) {
  std::atomic<Lsn> applying{77};
  std::vector<Lsn> seen;
  struct Looking final : effects::Sink {
    void Append(const effects::Effect&) override { seen->push_back(*applying); }
    void Flush() noexcept override {}
    std::atomic<Lsn>* applying = nullptr;
    std::vector<Lsn>* seen = nullptr;
  } sink;
  sink.applying = &applying;
  sink.seen = &seen;
  Engine engine(lab_.probes.world, sink);
  engine.NoteIn(applying);
  const std::vector<uint64_t> bytes =
      Encoded({.lsn = MakeLsn(1, 9), .key_hash = HashKey("probe", "x"), .id = "x", .payload = "{"});
  engine.Apply(journal::RecordView(std::as_bytes(std::span(bytes))));
  EXPECT_EQ(seen, std::vector<Lsn>{MakeLsn(1, 9)}) << "its dead letter is of that moment";
  EXPECT_EQ(applying, kNoLsn);
}

TEST_F(EngineTest, AnOnInitThatFailsLeavesNoTwin) {
  lab_.Say({.id = "bad-1", .json = R"({"order": "raise"})"});
  EXPECT_EQ(lab_.Find("bad-1"), nullptr);
  EXPECT_EQ(lab_.engine.table(0).size(), 0u);
  EXPECT_EQ(lab_.stats().twins_created.value(), 0u);
  EXPECT_EQ(DeadLetter(Refusal::kModelFailed)["error"], "no twin of this name");
}

TEST_F(EngineTest, AFirstMessageThatFailsLeavesNoTwin) {
  lab_.Say({.id = "x", .json = R"({"order": "throw"})"});
  EXPECT_EQ(lab_.Find("x"), nullptr);
  lab_.Say({.id = "x"});
  EXPECT_EQ(lab_.Field("x", "calls"), "1");
}

TEST_F(EngineTest, APayloadThatCantBeReadIsADeadLetterAndMakesNoTwin) {
  lab_.Say({.json = "{"});
  DeadLetter(Refusal::kPayloadInvalid);
  lab_.Say({.json = R"({"b": "many"})"});
  const auto letter = DeadLetter(Refusal::kFieldInvalid);
  EXPECT_EQ(letter["topic"], "lab/north/l1/x");
  EXPECT_EQ(letter["payload_base64"], "eyJiIjogIm1hbnkifQ==");
  EXPECT_EQ(lab_.engine.table(0).size(), 0u);
}

TEST_F(EngineTest, AReplyGoesToTheTwinsCommandTopic) {
  lab_.Say({.json = "{}", .at = 9, .region = "south", .line = "l 7"});
  const Lsn lsn = lab_.Say({.json = R"({"b": 5, "order": "reply soon"})", .at = 1});
  const auto sent = lab_.Take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].topic, "do/south/l 7/probe-x/command") << "from the last known fields";
  EXPECT_EQ(sent[0].kind, effects::EffectKind::kCommand);
  EXPECT_FALSE(sent[0].is_retained);
  EXPECT_EQ(sent[0].lifetime, Duration{0});
  const auto command = nlohmann::json::parse(sent[0].payload);
  EXPECT_EQ(command["id"], FormatEffectId('c', {lsn, 0}));
  EXPECT_EQ(command["name"], "rest");
  EXPECT_EQ(command["args"], nlohmann::json({{"b", 5}, {"minutes", 30}}));
  EXPECT_EQ(nlohmann::json::parse(sent[1].payload)["id"], FormatEffectId('c', {lsn, 1}));
  EXPECT_EQ(sent[1].lifetime, std::chrono::seconds(5));
  EXPECT_EQ(lab_.stats().commands.value(), 2u);
}

TEST_F(EngineTest, AReplyOnARouteWithoutACommandTopicIsDroppedAndCounted) {
  lab_.Say({.json = R"({"a": 1, "order": "reply soon"})", .route = kMute});
  EXPECT_TRUE(lab_.Take().empty());
  EXPECT_EQ(lab_.Field("x", "a"), "1");
  EXPECT_EQ(lab_.stats().commands_unroutable.value(), 2u);
  EXPECT_EQ(lab_.stats().commands.value(), 0u);
}

TEST_F(EngineTest, AReplyWhoseTopicHasAnUnknownPartIsDroppedAndCounted) {
  lab_.Say({.json = R"({"a": 1, "order": "reply"})", .region = ""});
  EXPECT_TRUE(lab_.Take().empty()) << "no command goes to do//l1/probe-x/command";
  EXPECT_EQ(lab_.stats().commands_unroutable.value(), 1u);
  EXPECT_EQ(lab_.stats().commands.value(), 0u);
  EXPECT_EQ(lab_.Field("x", "a"), "1");
}

TEST_F(EngineTest, RandomNumbersDependOnTwinAndRecordAlone) {
  Lab other;
  other.Say({.id = "someone"});
  lab_.Say({.id = "another", .json = R"({"order": "draw draw"})"});
  for (Lab* lab : {&lab_, &other}) lab->Say({.json = R"({"order": "draw"})"});
  EXPECT_EQ(lab_.Field("x", "drawn"), other.Field("x", "drawn"));
  const std::string first = lab_.Field("x", "drawn");
  lab_.Say({.json = R"({"order": "draw"})"});
  EXPECT_NE(lab_.Field("x", "drawn"), first);
}

TEST_F(EngineTest, ADeletedTwinIsGoneAndStartsAnew) {
  lab_.Say({.json = R"({"a": 1})", .at = 9});
  lab_.Delete("x");
  lab_.Delete("x");
  lab_.Delete("never");
  EXPECT_EQ(lab_.Find("x"), nullptr);
  EXPECT_EQ(lab_.stats().twins_deleted.value(), 1u);
  EXPECT_TRUE(lab_.Take().empty());
  lab_.Say({.json = R"({"b": 2})", .at = 1});
  EXPECT_EQ(lab_.Field("x", "a"), "null");
  EXPECT_EQ(lab_.stats().late.value(), 0u);
}

TEST_F(EngineTest, TwinsBeyondTheBoundAreRefusedAndTheOthersGoOn) {
  lab_.probes.world.twins_max = 2;
  for (const char* id : {"one", "two", "three"}) lab_.Say({.id = id});
  EXPECT_EQ(lab_.Find("three"), nullptr);
  EXPECT_NE(DeadLetter(Refusal::kOverload)["error"].get<std::string>().find("twins_max"),
            std::string::npos);
  EXPECT_EQ(lab_.refused(Refusal::kOverload), 1u);
  lab_.Say({.id = "two"});
  EXPECT_EQ(lab_.Field("two", "calls"), "2");
  lab_.Delete("one");
  lab_.Say({.id = "three"});
  EXPECT_EQ(lab_.Field("three", "calls"), "1");
}

TEST_F(EngineTest, TheBoundOfTwinsIsOneForAllModels) {
  ProbeWorld probes;
  const uint16_t second = probes.AddModel("second");
  probes.world.twins_max = 3;
  KeptSink sink;
  Engine engine(probes.world, sink);
  uint64_t counter = 0;
  const auto say = [&](uint16_t model, std::string_view id) {
    const std::vector<uint64_t> bytes =
        Encoded({.lsn = MakeLsn(1, ++counter),
                 .model = model,
                 .route = model == 0 ? kNewest : static_cast<uint16_t>(kRoutes),
                 .key_hash = HashKey(probes.world.models[model].model->name(), id),
                 .record_time = kStart,
                 .id = id,
                 .payload = "{}"});
    engine.Apply(journal::RecordView(std::as_bytes(std::span(bytes))));
  };
  for (const char* id : {"a", "b"}) {
    say(0, id);
    say(second, id);
  }
  EXPECT_EQ(engine.table(0).size(), 2u);
  EXPECT_EQ(engine.table(second).size(), 1u);
  EXPECT_EQ(engine.refused()[static_cast<size_t>(Refusal::kOverload)].value(), 1u);
}

TEST(EngineRefusalTest, WhatTheHostRefusesFailsTheCallEvenWhereTheModelGoesOn) {
  Lab lab;
  lab.Say({.json = R"({"order": "raise swallow"})"});
  EXPECT_EQ(lab.refused(Refusal::kModelFailed), 1u);
  EXPECT_EQ(lab.Find("x"), nullptr) << "the twin was new, and its first message counts for nothing";
}

}  // namespace
}  // namespace gemel::twin
