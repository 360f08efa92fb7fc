#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

extern "C" const gemel_model* gemel_plugin();

namespace {

using namespace std::chrono_literals;

class AnomalyModelTest : public ::testing::Test {
 protected:
  void Feed(double value) {
    kit_.Advance(1min);
    kit_.Feed("f1", fmt::format(R"({{"value": {}}})", value));
  }
  // Readings that go up and down between 0 and 9.
  void FeedCalm(int count) {
    for (int i = 0; i < count; ++i) Feed(i % 10);
  }

  gemel::TestKitBase kit_{*gemel_plugin(),
                          {.parameters = R"({"learn_readings": 100, "clear_after_readings": 5})"}};
};

TEST_F(AnomalyModelTest, WhatWasNeverSeenRaisesAnAlertThatCalmReadingsClear) {
  FeedCalm(400);
  EXPECT_TRUE(kit_.TakeAlerts().empty());
  Feed(10.5);
  ASSERT_EQ(kit_.alerts("f1").size(), 1u);
  EXPECT_EQ(kit_.alerts("f1").front().code, "anomaly");
  EXPECT_EQ(kit_.alerts("f1").front().severity, "warning");
  EXPECT_EQ(kit_.Field("f1", "anomaly_kind"), "\"value\"");
  EXPECT_EQ(kit_.Field("f1", "grade"), "\"warning\"");
  FeedCalm(4);
  EXPECT_EQ(kit_.alerts("f1").size(), 1u);
  FeedCalm(1);
  EXPECT_TRUE(kit_.alerts("f1").empty());
  EXPECT_EQ(kit_.Field("f1", "grade"), "\"none\"");
}

TEST_F(AnomalyModelTest, TheSeverityFollowsTheScoreUpwards) {
  FeedCalm(400);
  Feed(10.5);
  EXPECT_EQ(kit_.alerts("f1").front().severity, "warning");
  Feed(1'000);
  ASSERT_EQ(kit_.alerts("f1").size(), 1u);
  EXPECT_EQ(kit_.alerts("f1").front().severity, "critical");
  EXPECT_NE(kit_.alerts("f1").front().properties.find(R"("value":1000)"), std::string::npos)
      << kit_.alerts("f1").front().properties;
}

TEST_F(AnomalyModelTest, WhileItLearnsItScoresButRaisesNothing) {
  FeedCalm(50);
  Feed(1'000);
  EXPECT_TRUE(kit_.alerts("f1").empty());
  EXPECT_GT(std::stod(kit_.Field("f1", "anomaly_score")), 0.9);
}

TEST_F(AnomalyModelTest, AMessageWithoutTheValueIsNoReading) {
  FeedCalm(10);
  kit_.Feed("f1", R"({"value": null})");
  kit_.Feed("f1", "{}");
  EXPECT_EQ(kit_.Field("f1", "readings"), "10");
}

TEST(AnomalyParametersTest, ThresholdsThatFallAreRefused) {
  const gemel::TestOptions options{.parameters = R"({"alert_score": 0.5, "major_score": 0.4})"};
  EXPECT_THROW(gemel::TestKitBase(*gemel_plugin(), options), std::invalid_argument);
}

}  // namespace
