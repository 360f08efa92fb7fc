// What the engine does when the feed of a route falls silent, and not one of its devices.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/model/state.h"
#include "gateway/twin/side_text.h"
#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kMembers = 20;

class EngineFeedTest : public ::testing::Test {
 protected:
  // Two routes are watched; all but one of the tests use the first.
  EngineFeedTest()
      : lab_([](World& world) {
          const FeedWatch watch{
              .share = 0.5, .within = seconds(30), .members_min = 10, .offline_after = seconds(60)};
          std::map<std::string, FeedWatch> watches;
          for (const uint16_t route : {kNewest, kDropping}) {
            world.routes[route].offline_after = seconds(60);
            world.routes[route].feed_watch = watch;
            watches[world.routes[route].name] = watch;
          }
          world.feed_model = static_cast<uint16_t>(world.models.size());
          world.models.emplace_back().model =
              std::move(*model::Model::Create(MakeFeedModel(watches), {.name = kFeedModel}));
        }) {}

  static std::string Name(int member) { return fmt::format("m{:02}", member); }
  // Each of these members says something, a second after the other.
  void Say(int from, int to) {
    for (int member = from; member < to; ++member) {
      const std::string name = Name(member);
      lab_.Say({.id = name});
      lab_.Deliver();
      lab_.Wait(Duration(0));
      lab_.Deliver();
    }
  }
  void Wait(int time) {
    for (int second = 0; second < time; ++second) {
      lab_.Wait(seconds(1));
      lab_.Deliver();
    }
  }
  // Alerts since the last call, as "model code status", by how often.
  std::map<std::string, int> Alerts() {
    properties_.clear();
    std::map<std::string, int> alerts;
    for (const Kept& kept : lab_.Take()) {
      EXPECT_NE(kept.kind, effects::EffectKind::kDeadLetter) << kept.payload;
      if (kept.kind != effects::EffectKind::kAlert || kept.payload.empty()) continue;
      const auto json = nlohmann::json::parse(kept.payload);
      const auto text = [&](const char* key) { return json[key].get<std::string>(); };
      ++alerts[text("model") + ' ' + text("code") + ' ' + text("status")];
      properties_.push_back(json["properties"]);
    }
    return alerts;
  }
  nlohmann::json Feed(uint16_t route = kNewest) {
    const std::string& id = lab_.probes.world.routes[route].name;
    const Twin* const twin =
        lab_.engine.table(*lab_.probes.world.feed_model).Find(HashKey(kFeedModel, id), id);
    nlohmann::json fields;
    if (twin == nullptr) return fields;
    const model::Model& model = *lab_.probes.world.models[*lab_.probes.world.feed_model].model;
    for (const gemel_field& field : model.fields()) {
      if (field.type == GEMEL_WINDOW) continue;
      std::string text;
      model::AppendJson(model::ReadValue(field, twin->state()), lab_.probes.symbols, text);
      fields[field.name] = nlohmann::json::parse(text);
    }
    return fields;
  }

  Lab lab_;
  std::vector<nlohmann::json> properties_;  // of the alerts of the last Alerts()
};

using Changes = std::map<std::string, int>;

TEST_F(EngineFeedTest, ASilenceOfAllIsOneAlertAndNoneOfAMember) {
  Say(0, kMembers);
  EXPECT_EQ(Feed()["reporting"], kMembers);
  EXPECT_THAT(Alerts(), IsEmpty());
  Wait(600);
  EXPECT_EQ(Alerts(), (Changes{{"feed feed_silent active_unacked", 1}}));
  EXPECT_EQ(Feed()["reporting"], 0);
  EXPECT_EQ(Feed()["silent"], kMembers);
  Say(0, kMembers);
  EXPECT_EQ(Alerts(), (Changes{{"feed feed_silent cleared_unacked", 1}}));
  EXPECT_EQ(Feed()["reporting"], kMembers);
  for (int i = 0; i < 20; ++i) Say(0, kMembers);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(EngineFeedTest, ASilenceOfFewIsTheirsOnceItWasNotTheFeeds) {
  Say(0, kMembers);
  for (int i = 0; i < 6; ++i) Say(5, kMembers);  // 90 s
  EXPECT_THAT(Alerts(), IsEmpty()) << "they wait for the verdict";
  Say(5, kMembers);
  Say(5, kMembers);
  EXPECT_EQ(Alerts(), (Changes{{"probe offline active_unacked", 5}}));
  EXPECT_EQ(Feed()["reporting"], kMembers - 5);
  Say(0, 5);
  EXPECT_EQ(Alerts(), (Changes{{"probe offline cleared_unacked", 5}}));
  EXPECT_EQ(Feed()["reporting"], kMembers);
}

TEST_F(EngineFeedTest, WhoComesBackWhileItWaitsWasOfflineAllTheSame) {
  Say(0, kMembers);
  for (int i = 0; i < 5; ++i) Say(1, kMembers);  // 95 s
  EXPECT_THAT(Alerts(), IsEmpty());
  const Time heard = lab_.Find(Name(0))->last_telemetry;
  Say(0, 1);
  EXPECT_EQ(Alerts(),
            (Changes{{"probe offline active_unacked", 1}, {"probe offline cleared_unacked", 1}}));
  for (const nlohmann::json& properties : properties_)
    EXPECT_EQ(properties["last_ms"], heard.time_since_epoch().count() / 1'000) << "before it";
  for (int i = 0; i < 4; ++i) Say(0, kMembers);
  EXPECT_THAT(Alerts(), IsEmpty());
}

TEST_F(EngineFeedTest, WhoDoesNotComeBackWithTheFeedIsToldAfterwards) {
  Say(0, kMembers);
  Wait(300);
  Alerts();
  for (int i = 0; i < 3; ++i) Say(2, kMembers);
  EXPECT_EQ(Alerts(), (Changes{{"feed feed_silent cleared_unacked", 1}}));
  for (int i = 0; i < 8; ++i) Say(2, kMembers);
  EXPECT_EQ(Alerts(), (Changes{{"probe offline active_unacked", 2}}));
}

TEST_F(EngineFeedTest, AFeedOfFewIsNeverSilent) {
  Say(0, 5);
  Wait(200);
  EXPECT_EQ(Alerts(), (Changes{{"probe offline active_unacked", 5}}));
}

TEST_F(EngineFeedTest, SilencesFarFromEachOtherAreNotTheFeeds) {
  Say(0, kMembers);
  // One more falls silent every forty seconds, and the window is thirty.
  for (int silent = 1; silent <= kMembers; ++silent) {
    for (int i = 0; i < 2; ++i) {
      Say(silent, kMembers);
      Wait(20 - (kMembers - silent));
    }
  }
  Wait(300);
  EXPECT_EQ(Alerts(), (Changes{{"probe offline active_unacked", kMembers}}));
}

TEST_F(EngineFeedTest, WhoIsDeletedReportsNoMore) {
  Say(0, kMembers);
  lab_.Delete(Name(3));
  lab_.Deliver();
  EXPECT_EQ(Feed()["reporting"], kMembers - 1);
}

TEST_F(EngineFeedTest, WhenAllWhoAreSilentAreDeletedItIsOver) {
  Say(0, kMembers);
  Wait(100);
  EXPECT_EQ(Alerts(), (Changes{{"feed feed_silent active_unacked", 1}}));
  for (int member = 0; member < kMembers; ++member) {
    lab_.Delete(Name(member));
    lab_.Deliver();
  }
  EXPECT_EQ(Alerts(), (Changes{{"feed feed_silent cleared_unacked", 1}}));
  EXPECT_EQ(Feed()["silent"], 0);
  EXPECT_EQ(Feed()["reporting"], 0);
}

TEST_F(EngineFeedTest, OneThatComesAndGoesIsNoFeed) {
  Say(0, kMembers);
  for (int turn = 0; turn < 30; ++turn) {
    for (int i = 0; i < 4; ++i) Say(1, kMembers);  // 76 s
    Say(0, 1);
  }
  EXPECT_EQ(Alerts(),
            (Changes{{"probe offline active_unacked", 30}, {"probe offline cleared_unacked", 30}}));
}

TEST_F(EngineFeedTest, AMemberOfTwoFeedsLeavesTheOneThatItTold) {
  const std::string name = Name(0);
  lab_.Say({.id = name, .route = kDropping});
  lab_.Deliver();
  EXPECT_EQ(Feed(kDropping)["reporting"], 1);
  Say(0, 1);  // on the first route, which comes before it in the configuration
  EXPECT_TRUE(Feed().is_null()) << "it is a member of the other one";
  Wait(200);
  EXPECT_EQ(Feed(kDropping)["reporting"], 0);
  EXPECT_TRUE(Feed().is_null());
  EXPECT_EQ(Alerts(), (Changes{{"probe offline active_unacked", 1}}));
}

TEST_F(EngineFeedTest, NobodyElseSpeaksToAFeed) {
  for (const char* const order : {"tell_feed", "remove_feed"}) {
    const std::string json = fmt::format(R"({{"order": "{}"}})", order);
    lab_.Say({.json = json});
    lab_.Deliver();
  }
  EXPECT_EQ(lab_.refused(Refusal::kModelFailed), 2u);
  lab_.Take();
}

TEST_F(EngineFeedTest, WhereNothingIsWatchedAnyMoreNobodyIsOffline) {
  Say(0, kMembers);
  Wait(70);
  const World& world = lab_.probes.world;
  std::string asks;
  WriteTimers(*lab_.Find(Name(0)), lab_.engine.timers(), world, asks);
  lab_.probes.world.routes[kNewest].offline_after = Duration(0);
  lab_.probes.world.routes[kNewest].feed_watch.reset();
  Engine engine(world, lab_.sink);
  Twin& twin = engine.Restore(0, HashKey("probe", "m00"), "m00");
  twin.last_telemetry = kStart;
  twin.SeenBy(kNewest) = kStart;
  ASSERT_TRUE(RestoreTimers(asks, world, 0, engine.timers(), twin));
  engine.FinishRestore(0, twin);
  EXPECT_EQ(engine.timers().size(), 0u);
}

TEST_F(EngineFeedTest, WhatAMemberIsToItsFeedIsSaved) {
  Say(0, kMembers);
  const World& world = lab_.probes.world;
  const auto saved = [&] {
    std::string text;
    WriteTimers(*lab_.Find(Name(0)), lab_.engine.timers(), world, text);
    return text;
  };
  const std::string reports = saved();
  const uint64_t feed = HashKey(kFeedModel, world.routes[kNewest].name);
  EXPECT_EQ(reports,
            fmt::format(R"([{{"name":"","due_us":0,"every_us":1,"lsn":{},"ordinal":0}}])", feed));
  Wait(70);
  const std::string asks = saved();
  EXPECT_EQ(asks,
            fmt::format(R"([{{"name":"","due_us":0,"every_us":2,"lsn":{},"ordinal":0}}])", feed));

  for (const std::string& text : {reports, asks}) {
    Engine engine(world, lab_.sink);
    Twin& twin = engine.Restore(0, HashKey("probe", "m00"), "m00");
    twin.last_telemetry = lab_.now();
    twin.SeenBy(kNewest) = lab_.now();
    ASSERT_TRUE(RestoreTimers(text, world, 0, engine.timers(), twin));
    engine.FinishRestore(0, twin);
    std::string again;
    WriteTimers(twin, engine.timers(), world, again);
    EXPECT_EQ(again, text);
    EXPECT_EQ(engine.timers().size(), 1u);
  }
}

}  // namespace
}  // namespace gemel::twin
