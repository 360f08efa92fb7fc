#include "gateway/sdk/anomaly.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include <gtest/gtest.h>

namespace gemel {
namespace {

using namespace std::chrono_literals;

constexpr double kAlert = 0.09;

// Feeds a detector, a reading every five minutes.
class AnomalyTest : public ::testing::Test {
 protected:
  double Feed(double value) {
    now_ += 5min;
    return detector_.Score(now_, value);
  }
  // The highest score of so many readings of a day's curve with some noise.
  double FeedDays(int days, double scale = 1, double offset = 0) {
    double highest = 0;
    for (int i = 0; i < days * 288; ++i)
      highest = std::max(highest, Feed(offset + scale * (Curve() + Noise())));
    return highest;
  }
  double Curve() const {
    const double day = ToSeconds(now_.time_since_epoch()) / 86'400;
    return 10 * std::sin(2 * std::numbers::pi * day);
  }
  // -1 to 1, by a fixed generator.
  double Noise() {
    seed_ = seed_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return static_cast<double>(seed_ >> 11) * 0x1.0p-52 - 1;
  }

  Time now_{std::chrono::days{19'000}};
  AnomalyDetector detector_;
  uint64_t seed_ = 1;
};

TEST_F(AnomalyTest, ACalmStreamScoresLessThanOnceAWeek) {
  FeedDays(10);
  int alarms = 0;
  for (int i = 0; i < 60 * 288; ++i) alarms += Feed(Curve() + Noise()) >= kAlert ? 1 : 0;
  EXPECT_LE(alarms, 8);
}

TEST_F(AnomalyTest, AValueBeyondAllThatWasIsOneByHowFarItIs) {
  FeedDays(5);
  EXPECT_EQ(Feed(Curve()), 0);
  const double near = Feed(14);
  EXPECT_GT(near, kAlert);
  EXPECT_EQ(detector_.kind(), AnomalyKind::kValue);
  EXPECT_GT(Feed(60), 0.6);
}

TEST_F(AnomalyTest, WhatIsToldAlreadyScoresAgainOnlyIfItGetsWorse) {
  FeedDays(5);
  EXPECT_GT(Feed(60), 0.6);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Feed(59), 0);
  EXPECT_EQ(detector_.kind(), AnomalyKind::kNone);
  EXPECT_GT(Feed(500), 0.6);
}

TEST_F(AnomalyTest, AnUsualValueAtAnUnusualTimeOfTheDayIsOne) {
  FeedDays(10);
  double highest = 0;
  AnomalyKind kind = AnomalyKind::kNone;
  // Half a day out of step, no value is new.
  for (int i = 0; i < 72; ++i) {
    const double score = Feed(-Curve());
    if (score > highest) kind = detector_.kind();
    highest = std::max(highest, score);
  }
  EXPECT_GT(highest, kAlert);
  EXPECT_EQ(kind, AnomalyKind::kTimeOfDay);
}

TEST_F(AnomalyTest, AnUnusualSequenceOfUsualValuesIsOne) {
  for (int i = 0; i < 2'000; ++i) Feed(i / 10 % 2 == 0 ? 0 : 10);
  double highest = 0;
  for (int i = 0; i < 12; ++i) highest = std::max(highest, Feed(i % 2 == 0 ? 0 : 10));
  EXPECT_GT(highest, kAlert);
}

TEST_F(AnomalyTest, ASpikeThatCameOnceDoesNotBlindForEver) {
  FeedDays(5);
  EXPECT_GT(Feed(10'000), 0.6);
  FeedDays(30);
  EXPECT_GT(Feed(1'000), kAlert);
}

TEST_F(AnomalyTest, TheScaleOfTheValueDoesNotMatter) {
  FeedDays(5);
  const double plain = Feed(20);
  detector_ = {};
  seed_ = 1;
  now_ = Time{std::chrono::days{19'000}};
  FeedDays(5, 1e6, 0);
  EXPECT_NEAR(Feed(20e6), plain, 1e-3);
}

TEST_F(AnomalyTest, AFlatLineIsCalmUntilItMoves) {
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(Feed(7), 0);
  EXPECT_GT(Feed(8), 0.9);
}

TEST_F(AnomalyTest, WhatIsNoNumberIsIgnoredAndHugeOnesAreBounded) {
  FeedDays(2);
  AnomalyDetector before = detector_;
  EXPECT_EQ(Feed(std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(Feed(std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(before.Score(now_ + 5min, 3), Feed(3));
  for (const double huge : {1e308, -1e308, 0.0, 1e308}) {
    const double score = Feed(huge);
    EXPECT_TRUE(score >= 0 && score <= 1) << huge << " " << score;
  }
}

TEST_F(AnomalyTest, TheSameReadingsGiveTheSameBytes) {
  FeedDays(3);
  const AnomalyDetector first = detector_;
  detector_ = {};
  seed_ = 1;
  now_ = Time{std::chrono::days{19'000}};
  FeedDays(3);
  // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): its bytes are what is saved
  EXPECT_EQ(std::memcmp(&first, &detector_, sizeof(first)), 0);
}

}  // namespace
}  // namespace gemel
