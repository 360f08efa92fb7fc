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
                           testing::FieldsAre("gemel/alerts/ack/+", 1, true),
                           testing::FieldsAre("gemel/status", 1, true)));
  EXPECT_EQ(compiled->world.routes.size(), 4u);
}

config::Config WithAnswers(const std::string& first, const std::string& second) {
  config::Config config = WithRoutes({{"t/{id}", 0}, {"u/{id}", 1}});
  for (config::Route& route : config.routes) route.command = "c/{id}";
  config.routes[0].command_ack = first;
  config.routes[1].command_ack = second;
  return config;
}

// A broker that doesn't know of the topic yet must not keep telemetry away.
TEST(CompileTest, AnswersToCommandsAreOptionalSubscriptionsOfTheirOwn) {
  Symbols symbols;
  const auto compiled = Compile(WithAnswers("a/{id}", "b/{id}/done"), ".", symbols);
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_THAT(compiled->subscriptions,
              testing::UnorderedElementsAre(
                  testing::FieldsAre("t/+", 0, false), testing::FieldsAre("u/+", 1, false),
                  testing::FieldsAre("gemel/alerts/ack/+", 1, true),
                  testing::FieldsAre("gemel/status", 1, true), testing::FieldsAre("a/+", 1, true),
                  testing::FieldsAre("b/+/done", 1, true)));
  ASSERT_TRUE(compiled->command_acks);
  route::Match match;
  ASSERT_TRUE(compiled->command_acks->router.Find("b/7/done", match));
  EXPECT_EQ(match.values[compiled->command_acks->ids[match.route]], "7");
  EXPECT_TRUE(compiled->world.routes[0].is_answered);
  EXPECT_TRUE(Compile(WithAnswers("a/{id}", "a/{id}"), ".", symbols).ok()) << "of one model";
  EXPECT_FALSE(Compile(WithRoutes({{"t/{id}", 0}}), ".", symbols)->command_acks);
}

TEST(CompileTest, AnAnswersTopicBelongsToNothingElse) {
  Symbols symbols;
  const auto why = [&](const std::string& first, const std::string& second) {
    return Compile(WithAnswers(first, second), ".", symbols).status().message();
  };
  for (const char* taken : {"t/{id}", "u/{id}", "gemel/{id}", "t/ack-{id}", "c/{id}"}) {
    EXPECT_THAT(why("a/{id}", taken),
                testing::AllOf(testing::HasSubstr("command_ack \"" + std::string(taken) + '"'),
                               testing::HasSubstr("also matches")));
  }
  EXPECT_THAT(why("a/{id}", "a/x-{id}"), testing::HasSubstr("command_ack: "));
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

config::Config WithProfileTopic(const std::string& topic) {
  config::Config config = WithAnswers("a/{id}", "b/{id}");
  config.models[0].profile_topic = topic;
  return config;
}

TEST(CompileTest, AProfileTopicIsAnOptionalSubscriptionOfItsOwn) {
  Symbols symbols;
  const auto compiled = Compile(WithProfileTopic("fleet/{region}/{id}/profile"), ".", symbols);
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_THAT(compiled->subscriptions,
              testing::Contains(testing::FieldsAre("fleet/+/+/profile", 1, true)));
  route::Match match;
  ASSERT_TRUE(compiled->profile_topics);
  ASSERT_TRUE(compiled->profile_topics->router.Find("fleet/wa/7/profile", match));
  EXPECT_EQ(match.values[compiled->profile_topics->ids[match.route]], "7");
  EXPECT_FALSE(Compile(WithProfileTopic(""), ".", symbols)->profile_topics);
}

TEST(CompileTest, AProfileTopicBelongsToNothingElseAndSaysWhose) {
  Symbols symbols;
  const auto why = [&](const std::string& topic) {
    return Compile(WithProfileTopic(topic), ".", symbols).status().message();
  };
  for (const char* taken : {"t/{id}", "gemel/{id}", "c/{id}", "a/{id}", "b/p-{id}"}) {
    EXPECT_THAT(why(taken), testing::AllOf(testing::HasSubstr("models: template: profile_topic \"" +
                                                              std::string(taken) + '"'),
                                           testing::HasSubstr("also matches")));
  }
  EXPECT_THAT(why("fleet/{region}/profile"), testing::HasSubstr("has no {id}"));
  EXPECT_THAT(why("fleet/{id"), testing::HasSubstr("profile_topic: "));
}

}  // namespace
}  // namespace gemel
