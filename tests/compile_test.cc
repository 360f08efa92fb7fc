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

}  // namespace
}  // namespace gemel
