// What the engine does with timers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class EngineTimerTest : public ::testing::Test {
 protected:
  Lsn Order(std::string_view words) {
    return lab_.Say({.json = R"({"order": ")" + std::string(words) + R"("})"});
  }
  std::string Orders(std::string_view words) {
    json_ = R"({"order": ")" + std::string(words) + R"("})";
    return json_;
  }

  Lab lab_;
  std::string json_;
};

TEST_F(EngineTimerTest, ATimerFiresOnceAtItsTime) {
  Order("alarm");
  EXPECT_EQ(lab_.Wait(seconds(9)), 0u);
  EXPECT_EQ(lab_.Field("x", "fired"), "0");
  EXPECT_EQ(lab_.Wait(seconds(1)), 1u);
  EXPECT_EQ(lab_.Field("x", "fired"), "1");
  const auto sent = lab_.Take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].topic, "gemel/alerts/major/probe/x/hot");
  EXPECT_EQ(lab_.Wait(seconds(1'000)), 0u);
  EXPECT_THAT(lab_.Timers("x"), IsEmpty());
  EXPECT_EQ(lab_.stats().timers_fired.value(), 1u);
}

TEST_F(EngineTimerTest, ARecurringTimerFiresAgainAndAgain) {
  Order("tick");
  EXPECT_EQ(lab_.Wait(seconds(23)), 4u);
  EXPECT_EQ(lab_.Field("x", "fired"), "4");
  EXPECT_THAT(lab_.Timers("x"), ElementsAre(Pair("tick", 2)));
}

TEST_F(EngineTimerTest, WhatWasMissedFiresOnceAndThenInTheOldBeat) {
  Order("tick");
  lab_.waited += seconds(23);  // nobody looked
  const auto due = lab_.engine.TakeAllDue(lab_.now());
  ASSERT_THAT(due, SizeIs(1));
  lab_.ApplyDue(due[0]);
  EXPECT_EQ(lab_.Field("x", "fired"), "1");
  EXPECT_THAT(lab_.Timers("x"), ElementsAre(Pair("tick", 2)));
}

TEST_F(EngineTimerTest, ATimerThatIsSetAnewFiresAtTheNewTimeOnly) {
  Order("alarm");
  lab_.Wait(seconds(8));
  Order("alarm");
  EXPECT_EQ(lab_.Wait(seconds(9)), 0u);
  EXPECT_EQ(lab_.Wait(seconds(1)), 1u);
}

TEST_F(EngineTimerTest, ACancelledTimerDoesNotFire) {
  Order("alarm tick disarm armed");
  EXPECT_EQ(lab_.Field("x", "active"), "0");
  EXPECT_THAT(lab_.Timers("x"), ElementsAre(Pair("tick", 5)));
  Order("alarm armed");
  EXPECT_EQ(lab_.Field("x", "active"), "1");
  Order("disarm");
  EXPECT_THAT(lab_.Timers("x"), ElementsAre(Pair("tick", 3)));
}

TEST_F(EngineTimerTest, ARecordOfATimerThatWasCancelledMeanwhileDoesNothing) {
  Order("alarm");
  lab_.waited += seconds(10);
  const auto due = lab_.engine.TakeAllDue(lab_.now());
  ASSERT_THAT(due, SizeIs(1));
  Order("disarm");
  lab_.ApplyDue(due[0]);
  EXPECT_EQ(lab_.Field("x", "fired"), "0");
  Order("alarm");
  lab_.ApplyDue(due[0]);
  EXPECT_EQ(lab_.Field("x", "fired"), "0") << "of the same name, and another cause";
  EXPECT_THAT(lab_.Timers("x"), SizeIs(1));
}

TEST_F(EngineTimerTest, ATimersRecordCountsOnce) {
  Order("tick");
  lab_.waited += seconds(5);
  const auto due = lab_.engine.TakeAllDue(lab_.now());
  lab_.ApplyDue(due.at(0));
  lab_.ApplyDue(due.at(0));
  EXPECT_EQ(lab_.Field("x", "fired"), "1");
}

TEST_F(EngineTimerTest, ACallOfATimerThatThrowsLeavesTheTwinAsItWasAndIsADeadLetter) {
  Order("bomb tick");
  lab_.Take();
  lab_.Wait(seconds(10));
  EXPECT_EQ(lab_.Field("x", "fired"), "2") << "of the other one";
  const auto sent = lab_.Take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].topic, "gemel/deadletter/model_failed");
  EXPECT_THAT(nlohmann::json::parse(sent[0].payload)["error"].get<std::string>(),
              HasSubstr("the bomb went off"));
  EXPECT_EQ(lab_.stats().failed.value(), 1u);
  EXPECT_EQ(lab_.Wait(seconds(60)), 12u) << "and it does not fire again";
}

TEST_F(EngineTimerTest, ATimerThatIsNotToldToTheModelIsOver) {
  Order("alarm tick");
  lab_.waited += seconds(10);
  for (const auto& due : lab_.engine.TakeAllDue(lab_.now()))
    lab_.ApplyDue(due, journal::RecordKind::kTimerMissed);
  EXPECT_EQ(lab_.Field("x", "fired"), "0");
  EXPECT_THAT(lab_.Timers("x"), ElementsAre(Pair("tick", 5)));
}

TEST_F(EngineTimerTest, ATimerRepliesByTheRouteThatTheTwinWasHeardOn) {
  Order("call");
  lab_.Wait(seconds(10));
  const auto sent = lab_.Take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].topic, "do/north/l1/probe-x/command");

  lab_.Say({.id = "mute", .json = R"({"order": "call"})", .route = kMute});
  lab_.Wait(seconds(10));
  EXPECT_THAT(lab_.Take(), IsEmpty());
  EXPECT_EQ(lab_.stats().commands_unroutable.value(), 1u);
}

TEST_F(EngineTimerTest, ATimerMayArmAnother) {
  Order("chain");
  EXPECT_EQ(lab_.Wait(seconds(11)), 2u);
  EXPECT_EQ(lab_.Field("x", "fired"), "2");
  EXPECT_THAT(lab_.Timers("x"), IsEmpty());
}

TEST_F(EngineTimerTest, ATimerOfNoTimeFiresAfterItsCause) {
  Order("at_once");
  EXPECT_EQ(lab_.Field("x", "fired"), "0");
  EXPECT_EQ(lab_.Wait(milliseconds(1)), 1u);
}

TEST_F(EngineTimerTest, NoTimerOutlivesItsTwin) {
  Order("alarm tick");
  lab_.waited += seconds(10);
  const auto due = lab_.engine.TakeAllDue(lab_.now());
  lab_.Delete("x");
  EXPECT_EQ(lab_.engine.timers().size(), 0u);
  for (const auto& one : due) lab_.ApplyDue(one);
  EXPECT_EQ(lab_.Find("x"), nullptr);
  Order("look");
  EXPECT_EQ(lab_.Wait(seconds(60)), 0u) << "a twin of the same id is another one";
}

TEST_F(EngineTimerTest, AMessageThatFailsArmsNothing) {
  Order("alarm throw");
  EXPECT_EQ(lab_.engine.timers().size(), 0u);
  EXPECT_EQ(lab_.Find("x"), nullptr);
}

// A later version of the probe, which knows timers and messages no more.
struct Bare {
  using State = Probe::State;
  static constexpr const char* kName = "probe";
  static constexpr const char* kMeaning = "Raises an alert whatever it is told.";
  static const Fields<State>& fields() { return Probe::fields(); }
  explicit Bare(const Setup&) {}
  void on_telemetry(State&, const Message&, Context& context) const {
    context.raise(Severity::kMajor, "hot", "as ever");
  }
};

TEST(EngineBareTest, AModelThatKnowsTimersAndMessagesNoMoreIsNotAsked) {
  ProbeWorld probes;
  probes.world.models[0].model =
      std::move(model::Model::Create(*ModelTable<Bare>(), {.name = "probe"})).value();
  KeptSink sink;
  Engine engine(probes.world, sink);
  Lsn lsn = MakeLsn(1, 0);
  const auto apply = [&](journal::Record record) {
    record.lsn = ++lsn;
    record.key_hash = HashKey("probe", record.id);
    record.record_time = kStart;
    const std::vector<uint64_t> bytes = Encoded(record);
    engine.Apply(journal::RecordView(std::as_bytes(std::span(bytes))));
  };
  Twin& twin = engine.Restore(0, HashKey("probe", "x"), "x");
  engine.timers().Arm(
      twin, 0,
      {.name = *probes.world.timer_names->Intern("alarm"), .due = kStart, .cause = {7, 1}});
  apply({.id = "y", .payload = "{}"});
  EXPECT_THAT(sink.Take(), SizeIs(1));
  apply({.kind = journal::RecordKind::kTimer, .cause = {7, 1}, .id = "x", .payload = "alarm"});
  std::string payload;
  EncodeTwinMessage("probe", "y", "raise", nullptr, 0, probes.symbols, payload);
  apply(
      {.kind = journal::RecordKind::kTwinMessage, .cause = {8, 1}, .id = "x", .payload = payload});
  EXPECT_THAT(sink.Take(), IsEmpty()) << "nor does it do what another call has asked for";
  EXPECT_EQ(engine.timers().size(), 0u);
}

TEST_F(EngineTimerTest, WhatIsNoTimerIsAFailureThatSaysSo) {
  const auto error = [&](std::string_view words) {
    lab_.Take();
    Order(words);
    const auto sent = lab_.Take();
    return sent.size() == 1 ? nlohmann::json::parse(sent[0].payload)["error"].get<std::string>()
                            : std::string();
  };
  EXPECT_THAT(error("never"), HasSubstr("after -1000000 us"));
  EXPECT_THAT(error("bad_timer"), HasSubstr("[a-z0-9_]+"));
  lab_.probes.world.timers_per_twin_max = 2;
  EXPECT_THAT(error("alarm bomb other"), HasSubstr("limits.timers_per_twin"));
  EXPECT_EQ(error("alarm bomb alarm"), "") << "one that is armed may be set anew";
}

}  // namespace
}  // namespace gemel::twin
