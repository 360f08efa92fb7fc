// What the engine does when nothing is heard of a twin.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EngineSilenceTest : public ::testing::Test {
 protected:
  EngineSilenceTest() {
    lab_.probes.world.routes[kNewest].offline_after = seconds(60);
    lab_.probes.world.routes[kMute].offline_after = seconds(30);
  }
  // Alerts since the last call, as "code status".
  std::vector<std::string> Alerts() {
    std::vector<std::string> alerts;
    for (const Kept& kept : lab_.Take()) {
      if (kept.kind != effects::EffectKind::kAlert || kept.payload.empty()) continue;
      const auto json = nlohmann::json::parse(kept.payload);
      alerts.push_back(json["code"].get<std::string>() + ' ' + json["status"].get<std::string>());
    }
    return alerts;
  }

  Lab lab_;
};

const std::vector<std::string> kOffline = {"offline active_unacked"};
const std::vector<std::string> kBack = {"offline cleared_unacked"};

TEST_F(EngineSilenceTest, ATwinIsOfflineOnceAfterItsSilenceAndUntilItIsHeard) {
  lab_.Say({});
  lab_.Wait(seconds(60) - Duration(1));
  EXPECT_THAT(Alerts(), IsEmpty());
  lab_.Wait(Duration(1));
  EXPECT_EQ(Alerts(), kOffline);
  lab_.Wait(seconds(10'000));
  EXPECT_THAT(Alerts(), IsEmpty()) << "once";
  lab_.Say({});
  EXPECT_EQ(Alerts(), kBack);
  lab_.Wait(seconds(60));
  EXPECT_EQ(Alerts(), kOffline) << "and again";
}

TEST_F(EngineSilenceTest, EveryMessagePutsItOff) {
  for (int i = 0; i < 20; ++i) {
    lab_.Say({});
    lab_.Wait(seconds(59));
  }
  EXPECT_THAT(Alerts(), IsEmpty());
  lab_.Wait(seconds(1));
  EXPECT_EQ(Alerts(), kOffline);
}

TEST_F(EngineSilenceTest, OfTheRoutesThatItWasHeardOnTheMostImpatientCounts) {
  lab_.Say({});
  lab_.Say({.id = "y", .route = kDropping});
  lab_.Say({.route = kMute});
  lab_.Wait(seconds(30));
  EXPECT_EQ(Alerts(), kOffline) << "y was heard on a route that has no bound";
}

TEST_F(EngineSilenceTest, WhileTheGatewayDoesNotListenNobodyIsSilent) {
  lab_.Say({});
  lab_.engine.ListensSince(std::nullopt);
  lab_.Wait(seconds(1'000));
  EXPECT_THAT(Alerts(), IsEmpty());
  lab_.engine.ListensSince(lab_.now());
  lab_.Wait(seconds(59));
  EXPECT_THAT(Alerts(), IsEmpty()) << "it has all its time again";
  lab_.Wait(seconds(61));
  EXPECT_EQ(Alerts(), kOffline);
}

TEST_F(EngineSilenceTest, ASilenceThatEndsBeforeItsRecordIsAppliedIsNone) {
  lab_.Say({});
  lab_.waited += seconds(60);
  const auto due = lab_.engine.TakeAllDue(lab_.now());
  ASSERT_THAT(due, SizeIs(1));
  lab_.Say({});
  lab_.ApplyDue(due[0], journal::RecordKind::kSilent);
  EXPECT_THAT(Alerts(), IsEmpty());
  lab_.Wait(seconds(60));
  EXPECT_EQ(Alerts(), kOffline);
}

TEST_F(EngineSilenceTest, AModelCanNeitherRaiseNorClearIt) {
  lab_.Say({.json = R"({"order": "raise_offline"})"});
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 1u);
  lab_.Say({.json = R"({"order": "clear_offline"})"});
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 2u);
}

TEST_F(EngineSilenceTest, AmongAsManyAlertsAsATwinCanHaveItHasRoom) {
  lab_.Say({.json = R"({"order": "fill"})"});
  lab_.Take();
  lab_.Wait(seconds(60));
  EXPECT_EQ(Alerts(), kOffline);
  lab_.Say({});
  EXPECT_EQ(Alerts(), kBack);
}

TEST_F(EngineSilenceTest, ATwinThatIsDeletedIsNotMissed) {
  lab_.Say({});
  lab_.Delete("x");
  lab_.Take();
  lab_.Wait(seconds(100));
  EXPECT_THAT(Alerts(), IsEmpty());
}

}  // namespace
}  // namespace gemel::twin
