#include "gateway/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel {
namespace {

config::Config WithRoutes(std::initializer_list<std::pair<const char*, int>> routes) {
  config::Config config;
  config.models.push_back({.name = "template", .plugin = "template.so"});
  for (const auto& [topic, qos] : routes) {
    config.routes.push_back({.topic = topic, .name = topic, .model = "template", .qos = qos});
  }
  return config;
}

// Asked for one filter twice, a broker takes the later QoS for both routes.
TEST(CompileTest, RoutesWithOneFilterAreOneSubscriptionOfTheHighestQos) {
  Symbols symbols;
  const auto compiled = Compile(
      WithRoutes({{"t/a-{id}", 0}, {"t/b-{id}", 2}, {"t/c-{id}", 1}, {"u/{id}", 1}}), ".", symbols);
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_THAT(
      compiled->subscriptions,
      testing::ElementsAre(testing::FieldsAre("t/+", 2, false), testing::FieldsAre("u/+", 1, false),
                           testing::FieldsAre("gemel/alerts/ack/+", 1, true)));
  EXPECT_EQ(compiled->world.routes.size(), 4u);
}

TEST(CompileTest, AWatchedRouteHasAFeedWhichLooksForHalfOfTheSilence) {
  Symbols symbols;
  config::Config config = WithRoutes({{"t/{id}", 1}, {"u/{id}", 1}});
  const auto unwatched = Compile(config, ".", symbols);
  ASSERT_TRUE(unwatched.ok()) << unwatched.status().message();
  EXPECT_EQ(unwatched->world.feed_model, std::nullopt);
  config.routes[1].offline_after = std::chrono::minutes(10);
  config.routes[1].feed_watch.emplace();
  const auto watched = Compile(config, ".", symbols);
  ASSERT_TRUE(watched.ok()) << watched.status().message();
  ASSERT_EQ(watched->world.feed_model, 1);
  EXPECT_EQ(watched->world.models[1].model->name(), "feed");
  EXPECT_EQ(watched->world.routes[0].feed_watch, std::nullopt);
  EXPECT_EQ(watched->world.routes[1].feed_watch,
            (twin::FeedWatch{.within = std::chrono::minutes(5),
                             .offline_after = std::chrono::minutes(10)}));
}

}  // namespace
}  // namespace gemel
