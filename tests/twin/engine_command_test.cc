// What the engine does with commands that devices answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/twin/side_text.h"
#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kReply = R"({"order": "reply"})";
constexpr const char* kSoon = R"({"order": "soon"})";  // expires after five seconds

class EngineCommandTest : public ::testing::Test {
 protected:
  EngineCommandTest() {
    Route& route = lab_.probes.world.routes[kNewest];
    route.is_answered = true;
    route.command_retry = seconds(30);
    route.command_timeout = hours(1);
  }
  // What became of commands since the last call, as "name status", and what was sent to devices, as
  // "name".
  std::vector<std::string> Changes() {
    std::vector<std::string> changes;
    for (const Kept& kept : lab_.Take()) {
      const auto json = nlohmann::json::parse(kept.payload);
      const std::string name = json.value("name", "");
      if (kept.kind == effects::EffectKind::kCommandChange)
        changes.push_back(name + ' ' + json["status"].get<std::string>());
      if (kept.kind == effects::EffectKind::kCommand) changes.push_back(name);
    }
    return changes;
  }
  static uint64_t Count(const ModelStats& stats, CommandStatus status) {
    return stats.commands_ended[static_cast<size_t>(status)].value();
  }
  std::string Saved(std::string_view id) {
    std::string text;
    WriteCommands(lab_.Find(id)->side(), lab_.probes.world, text);
    return text;
  }

  Lab lab_;
};

TEST_F(EngineCommandTest, IsFollowedUntilItIsAnswered) {
  const Lsn said = lab_.Say({.json = kReply});
  EXPECT_THAT(Changes(), ElementsAre("rest", "rest sent"));
  ASSERT_THAT(lab_.Find("x")->side()->commands, SizeIs(1));
  lab_.Answer("x", {said, 0});
  EXPECT_THAT(Changes(), ElementsAre("rest successful"));
  EXPECT_THAT(lab_.Find("x")->side()->commands, IsEmpty());
  EXPECT_EQ(lab_.engine.timers().size(), 0u);
  lab_.Answer("x", {said, 0});
  EXPECT_THAT(Changes(), IsEmpty()) << "answered twice";
  EXPECT_EQ(lab_.stats().command_replies_stale.value(), 1u);
  EXPECT_EQ(Count(lab_.stats(), CommandStatus::kSuccessful), 1u);
}

TEST_F(EngineCommandTest, AFailureHasItsReason) {
  const Lsn said = lab_.Say({.json = kReply});
  lab_.Take();
  lab_.Answer("x", {said, 0}, false, "no road");
  const auto kept = lab_.Take();
  ASSERT_THAT(kept, SizeIs(1));
  const auto json = nlohmann::json::parse(kept[0].payload);
  EXPECT_EQ(json["status"], "failed");
  EXPECT_EQ(json["reason"], "no road");
  EXPECT_EQ(json["id"], FormatEffectId('c', {said, 0}));
  EXPECT_EQ(json["args"]["minutes"], 30);
}

TEST_F(EngineCommandTest, NobodyAnswersForAnother) {
  const Lsn said = lab_.Say({.json = kReply});
  lab_.Say({.id = "y", .json = kReply});
  lab_.Take();
  lab_.Answer("y", {said, 0});
  lab_.Answer("nobody", {said, 0});
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_EQ(lab_.stats().command_replies_stale.value(), 2u);
  EXPECT_THAT(lab_.Find("x")->side()->commands, SizeIs(1));
}

TEST_F(EngineCommandTest, ExpiresAtItsTimeAndOnce) {
  const Lsn said = lab_.Say({.json = kSoon});
  EXPECT_THAT(Changes(), ElementsAre("hurry", "hurry sent"));
  lab_.Wait(seconds(5) - Duration(1));
  EXPECT_THAT(Changes(), IsEmpty());
  lab_.Wait(Duration(1));
  EXPECT_THAT(Changes(), ElementsAre("hurry expired"));
  lab_.Answer("x", {said, 0});
  lab_.Wait(hours(100));
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_EQ(Count(lab_.stats(), CommandStatus::kExpired), 1u);
}

TEST_F(EngineCommandTest, OneThatNeverExpiresTimesOut) {
  lab_.Say({.json = kReply});
  lab_.Take();
  lab_.Wait(hours(1));
  EXPECT_THAT(Changes(), ElementsAre("rest timeout"));
}

TEST_F(EngineCommandTest, OfSeveralEachEndsAtItsOwnTime) {
  lab_.Say({.json = kReply});
  lab_.Say({.json = kSoon});
  lab_.Take();
  lab_.Wait(minutes(1));
  EXPECT_THAT(Changes(), ElementsAre("hurry expired"));
  lab_.Wait(hours(1));
  EXPECT_THAT(Changes(), ElementsAre("rest timeout"));
}

TEST_F(EngineCommandTest, IsSentAgainWhenTheDeviceIsHeardAndEachTimeLater) {
  const Lsn said = lab_.Say({.json = kReply});
  lab_.Take();
  lab_.Wait(seconds(28));
  lab_.Say({});
  EXPECT_THAT(Changes(), IsEmpty()) << "after 29 s";
  lab_.Say({});
  const auto kept = lab_.Take();
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].kind, effects::EffectKind::kCommand);
  const auto json = nlohmann::json::parse(kept[0].payload);
  EXPECT_EQ(json["id"], FormatEffectId('c', {said, 0})) << "the same one";
  EXPECT_EQ(nlohmann::json::parse(kept[1].payload)["sent"], 2);
  lab_.Wait(seconds(58));
  lab_.Say({});
  EXPECT_THAT(Changes(), IsEmpty()) << "after 59 s";
  lab_.Say({});
  EXPECT_THAT(Changes(), ElementsAre("rest", "rest sent"));
  lab_.Wait(minutes(3));
  EXPECT_THAT(Changes(), IsEmpty()) << "nothing is heard";
  EXPECT_EQ(lab_.stats().commands_repeated.value(), 2u);
}

// A device ends with what the model wants last; and what that is called does not depend on retries.
TEST_F(EngineCommandTest, IsSentAgainBeforeWhatTheModelWantsNow) {
  const Lsn first = lab_.Say({.json = kReply});
  lab_.Wait(seconds(30));
  lab_.Take();
  const Lsn second = lab_.Say({.json = kReply});
  std::vector<std::string> ids;
  std::vector<size_t> ordinals;
  for (const Kept& kept : lab_.Take()) {
    if (kept.kind != effects::EffectKind::kCommand) continue;
    ids.push_back(nlohmann::json::parse(kept.payload)["id"]);
    ordinals.push_back(kept.id.ordinal);
  }
  EXPECT_THAT(ordinals, ElementsAre(::testing::Gt(kEffectsPerRecordMax), 0u));
  EXPECT_THAT(ids, ElementsAre(FormatEffectId('c', {first, 0}), FormatEffectId('c', {second, 0})));
}

TEST_F(EngineCommandTest, IsNotSentAgainOnceItsTimeIsOver) {
  lab_.probes.world.routes[kNewest].command_retry = seconds(4);
  lab_.Say({.json = kSoon});
  lab_.Wait(seconds(5));
  EXPECT_THAT(Changes(), ElementsAre("hurry", "hurry sent", "hurry expired"));
  lab_.Say({});
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(EngineCommandTest, IsNotSentAgainWithoutARetry) {
  lab_.probes.world.routes[kNewest].command_retry = Duration::zero();
  lab_.Say({.json = kReply});
  lab_.Wait(minutes(10));
  lab_.Say({});
  EXPECT_THAT(Changes(), ElementsAre("rest", "rest sent"));
}

TEST_F(EngineCommandTest, WhatIsSentAgainHasWhatIsLeftOfItsTime) {
  lab_.probes.world.routes[kNewest].command_retry = seconds(1);
  lab_.Say({.json = kSoon});
  lab_.Take();
  lab_.Wait(seconds(2));
  lab_.Say({});
  const auto kept = lab_.Take();
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].lifetime, Duration(seconds(2)));
}

TEST_F(EngineCommandTest, OnARouteWithoutAnswersNobodyWaits) {
  lab_.probes.world.routes[kNewest].is_answered = false;
  lab_.Say({.json = kReply});
  EXPECT_THAT(Changes(), ElementsAre("rest"));
  EXPECT_EQ(lab_.engine.timers().size(), 0u);
}

TEST_F(EngineCommandTest, TheOldestMakesRoom) {
  lab_.probes.world.routes[kNewest].command_retry = Duration(0);
  for (size_t i = 0; i < kOpenCommandsPerTwinMax; ++i) lab_.Say({.json = kReply});
  lab_.Take();
  lab_.Say({.json = kReply});
  EXPECT_THAT(Changes(), ElementsAre("rest", "rest timeout", "rest sent"));
  EXPECT_THAT(lab_.Find("x")->side()->commands, SizeIs(kOpenCommandsPerTwinMax));
}

TEST_F(EngineCommandTest, ATwinThatGoesWaitsForNothing) {
  lab_.Say({.json = kReply});
  lab_.Take();
  lab_.Delete("x");
  EXPECT_THAT(Changes(), ElementsAre("rest timeout"));
  EXPECT_EQ(lab_.engine.timers().size(), 0u);
  lab_.Wait(hours(2));
  EXPECT_THAT(Changes(), IsEmpty());
}

TEST_F(EngineCommandTest, IsRestoredAsItWas) {
  lab_.Say({.json = kReply});
  lab_.Say({.json = kSoon});
  const std::string saved = Saved("x");
  lab_.Say({.id = "y"});
  Twin& other = *lab_.Find("y");
  ASSERT_TRUE(RestoreCommands(saved, lab_.probes.world, other));
  EXPECT_EQ(Saved("y"), saved);
  EXPECT_FALSE(RestoreCommands("[{}]", lab_.probes.world, other));
  EXPECT_FALSE(RestoreCommands("{}", lab_.probes.world, other));
  lab_.engine.FinishRestore(0, other);
  lab_.Take();
  lab_.Wait(seconds(5));
  EXPECT_THAT(Changes(), ElementsAre("hurry expired", "hurry expired")) << "of x and y";
}

TEST_F(EngineCommandTest, ACommandOfARouteThatIsNoMoreIsForgotten) {
  lab_.Say({.json = kReply});
  const std::string saved = Saved("x");
  lab_.Say({.id = "y"});
  lab_.probes.world.routes[kNewest].is_answered = false;
  ASSERT_TRUE(RestoreCommands(saved, lab_.probes.world, *lab_.Find("y")));
  EXPECT_TRUE(lab_.Find("y")->side() == nullptr || lab_.Find("y")->side()->commands.empty());
}

// Its fields are not those that the route's topic is made of.
TEST_F(EngineCommandTest, ACommandOfARouteThatFeedsAnotherModelByNowIsForgotten) {
  lab_.Say({.json = kReply});
  const std::string saved = Saved("x");
  lab_.Say({.id = "y"});
  lab_.probes.world.routes[kNewest].model = lab_.probes.AddModel("lorry");
  Twin& other = *lab_.Find("y");
  ASSERT_TRUE(RestoreCommands(saved, lab_.probes.world, other));
  lab_.engine.FinishRestore(0, other);
  EXPECT_THAT(other.side()->commands, IsEmpty());
}

}  // namespace
}  // namespace gemel::twin
