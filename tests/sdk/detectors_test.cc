#include "gateway/sdk/detectors.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Time kStart{seconds{1'700'000'000}};

class DetectorsTest : public ::testing::Test {
 protected:
  double Normal(double mean, double deviation) {
    return std::normal_distribution<double>(mean, deviation)(random_);
  }
  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

TEST_F(DetectorsTest, AZScoreIsCountedInDeviationsOfWhatCameBefore) {
  ZScore score;
  const ZScore::Settings settings{.tau = minutes(10), .warm_up = 100};
  Time at = kStart;
  double squares = 0;
  for (int i = 0; i < 2'000; ++i) {
    const auto found = score.Add(at, Normal(50, 2), settings);
    ASSERT_EQ(found.has_value(), i >= 100);
    if (i >= 1'000) squares += *found * *found;
    at += seconds(10);
  }
  EXPECT_NEAR(std::sqrt(squares / 1'000), 1, 0.25) << "of the same distribution";
  const double mean = score.baseline().mean();
  const double deviation = score.baseline().deviation();
  EXPECT_EQ(score.Add(at - minutes(1), 500, settings), std::nullopt) << "late";
  EXPECT_NEAR(*score.Add(at, mean - 7 * deviation, settings), -7, 1e-9);
}

TEST_F(DetectorsTest, WhereNothingEverMovesTheLeastDeviationCounts) {
  ZScore score;
  const ZScore::Settings settings{.tau = minutes(1), .deviation_min = 0.5, .warm_up = 5};
  for (int i = 0; i < 50; ++i) score.Add(kStart + seconds(i), 20, settings);
  EXPECT_EQ(score.Add(kStart + minutes(2), 21, settings), 2);
}

TEST_F(DetectorsTest, ASpikeIsWhatIsFarFromTheMedianByTheMedianDistance) {
  for (int round = 0; round < 300; ++round) {
    Spike<9> spike;
    const Spike<9>::Settings settings{.limit = 4};
    std::vector<double> last;
    for (int i = 0; i < 60; ++i) {
      // Whole numbers, which a float holds.
      const double value = std::round(Normal(100, 10)) + (random_() % 8 == 0 ? 100 : 0);
      bool is_expected = false;
      if (last.size() == 9) {
        std::vector<double> sorted = last;
        std::ranges::sort(sorted);
        const double median = sorted[4];
        for (double& each : sorted) each = std::abs(each - median);
        std::ranges::sort(sorted);
        is_expected = std::abs(value - median) > 4 * std::max(1.4826 * sorted[4], 1e-9);
      }
      ASSERT_EQ(spike.Add(value, settings), is_expected) << i;
      last.push_back(value);
      if (last.size() > 9) last.erase(last.begin());
    }
  }
}

TEST_F(DetectorsTest, SpikesDoNotHideEachOtherAndAStepIsNoSpikeForLong) {
  Spike<15> spike;
  const Spike<15>::Settings settings{.limit = 6, .deviation_min = 0.1};
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(spike.Add(20 + 0.1 * (i % 3), settings));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(spike.Add(90, settings));
  for (int i = 0; i < 30; ++i) EXPECT_FALSE(spike.Add(20 + 0.1 * (i % 3), settings));
  int found = 0;
  for (int i = 0; i < 30; ++i) found += spike.Add(40 + 0.1 * (i % 3), settings) ? 1 : 0;
  EXPECT_LE(found, 8) << "until half of the ring is new";
}

TEST_F(DetectorsTest, ATrendIsFoundOnceHoweverIrregularTheReadings) {
  using Trend = TrendChange::Trend;
  TrendChange detector;
  const TrendChange::Settings settings{
      .tau_level = seconds(30), .tau_slope = minutes(2), .slope = 0.05};
  Time at = kStart;
  double value = 20;
  std::vector<Trend> changes;
  const auto run = [&](double slope, Duration for_how_long) {
    const Time end = at + for_how_long;
    while (at < end) {
      const Duration step(1'000'000 + static_cast<int64_t>(random_() % 9'000'000));
      at += step;
      value += slope * ToSeconds(step);
      if (const auto change = detector.Add(at, value + Normal(0, 0.02), settings))
        changes.push_back(*change);
    }
  };
  run(0, hours(1));
  EXPECT_TRUE(changes.empty());
  run(0.2, minutes(20));
  EXPECT_NEAR(detector.slope(), 0.2, 0.02);
  run(0, hours(1));
  run(-0.2, minutes(20));
  EXPECT_EQ(changes, (std::vector<Trend>{Trend::kRises, Trend::kFlat, Trend::kFalls}));
  EXPECT_NEAR(detector.level(), value, 1);
  EXPECT_EQ(detector.Add(at - seconds(1), 1e6, settings), std::nullopt) << "late";
  EXPECT_NEAR(detector.slope(), -0.2, 0.02);
}

// Montgomery, "Introduction to statistical quality control", table 9.1: target 10, k = 0.5, h = 5;
// a shift of one deviation after the twentieth is signalled at the 29th, and seven readings old.
TEST_F(DetectorsTest, CusumComesToWhatTheTextbookComesTo) {
  constexpr double kReadings[] = {9.45,  7.99,  9.29,  11.66, 12.16, 10.18, 8.04,  11.46,
                                  9.20,  10.34, 9.03,  11.47, 10.51, 9.40,  10.08, 9.37,
                                  10.62, 10.31, 8.52,  10.84, 10.90, 9.33,  12.29, 11.50,
                                  10.60, 11.08, 10.38, 11.62, 11.31, 10.52};
  Cusum cusum;
  const Cusum::Settings settings{.target = 10, .slack = 0.5, .limit = 5};
  for (int i = 1; i <= 30; ++i) {
    const Shift found = cusum.Add(kReadings[i - 1], settings);
    EXPECT_EQ(found, i < 29 ? Shift::kNone : Shift::kUp) << i;
    if (i == 2) {
      EXPECT_NEAR(cusum.down(), 1.56, 1e-9);
    }
    if (i == 29) {
      EXPECT_NEAR(cusum.up(), 5.28, 1e-9);
      EXPECT_EQ(cusum.readings(Shift::kUp), 7U);
    }
  }
  cusum.Reset();
  EXPECT_EQ(cusum.Add(10, settings), Shift::kNone);
  EXPECT_EQ(cusum.up(), 0);
}

TEST_F(DetectorsTest, CusumFindsAShiftDownAsItDoesOneUp) {
  Cusum up;
  Cusum down;
  const Cusum::Settings settings{.target = 0, .slack = 0.5, .limit = 5};
  for (int i = 0; i < 1'000; ++i) {
    const double value = Normal(i > 900 ? 1 : 0, 1);
    const Shift found = up.Add(value, settings);
    const Shift mirrored = down.Add(-value, settings);
    ASSERT_EQ(static_cast<int>(mirrored), -static_cast<int>(found));
    EXPECT_EQ(up.up(), down.down());
  }
}

// Mean, sum and extreme over all readings since the last find, at once.
TEST_F(DetectorsTest, PageHinkleyIsItsDefinition) {
  PageHinkley test;
  const PageHinkley::Settings settings{.tolerance = 0.2, .limit = 15, .warm_up = 20};
  std::vector<double> readings;
  int found = 0;
  for (int i = 0; i < 3'000; ++i) {
    readings.push_back(Normal(i / 500 % 2 == 0 ? 5 : 8, 1));
    double sum = 0;
    double up = 0;
    double up_min = 0;
    double down = 0;
    double down_max = 0;
    for (size_t k = 0; k < readings.size(); ++k) {
      sum += readings[k];
      const double off = readings[k] - sum / static_cast<double>(k + 1);
      up += off - 0.2;
      up_min = std::min(up_min, up);
      down += off + 0.2;
      down_max = std::max(down_max, down);
    }
    const bool is_warm = readings.size() > 20;
    // Not judged where rounding may decide.
    if (is_warm && std::abs(up - up_min - 15) < 1e-6) continue;
    if (is_warm && std::abs(down_max - down - 15) < 1e-6) continue;
    const Shift shift = test.Add(readings.back(), settings);
    const bool is_up = is_warm && up - up_min > 15;
    const bool is_down = is_warm && !is_up && down_max - down > 15;
    ASSERT_EQ(shift, is_up ? Shift::kUp : is_down ? Shift::kDown : Shift::kNone) << i;
    if (shift == Shift::kNone) continue;
    ++found;
    readings.clear();
  }
  EXPECT_GE(found, 5) << "each of the five shifts of three deviations";
}

TEST_F(DetectorsTest, ASeasonKnowsWhatIsUsualAtEachHour) {
  Seasonal<24> season;
  const Seasonal<24>::Settings settings{.begin = Time{hours(5)}, .warm_up = 20};
  const auto usual = [](int hour) { return 20 + 10 * std::sin(hour / 24.0 * 2 * M_PI); };
  for (int day = 0; day < 60; ++day) {
    for (int hour = 0; hour < 24; ++hour) {
      const Time at = Time{hours(24 * day + hour + 5)} + minutes(random_() % 60);
      const auto score = season.Add(at, Normal(usual(hour), 0.5), settings);
      EXPECT_EQ(score.has_value(), day >= 20);
      EXPECT_LT(std::abs(score.value_or(0)), 9);
    }
  }
  for (int hour = 0; hour < 24; ++hour) {
    const Time at = Time{hours(24 * 60 + hour + 5)};
    EXPECT_NEAR(season.Usual(at, settings), usual(hour), 0.8);
    // What is usual at another hour is not at this one.
    const double score = *season.Add(at, usual(hour) + 10, settings);
    EXPECT_GT(score, 9);
  }
}

TEST_F(DetectorsTest, ASlotIsFoundBeforeTheEpochAndAtTheEndOfThePeriod) {
  Seasonal<7> season;
  const Seasonal<7>::Settings settings{.period = Duration(24),
                                       .warm_up = 1};  // 24 is no multiple of 7
  season.Add(Time{Duration(-1)}, 3, settings);
  EXPECT_EQ(season.Usual(Time{Duration(23)}, settings), 3);
  EXPECT_TRUE(std::isnan(season.Usual(Time{Duration(0)}, settings)));
}

TEST_F(DetectorsTest, WhatIsNoNumberIsNotLearnt) {
  ZScore score;
  Spike<5> spike;
  TrendChange trend;
  Cusum cusum;
  PageHinkley test;
  Seasonal<24> season;
  for (const double value : {kNoNumber, HUGE_VAL}) {
    EXPECT_FALSE(score.Add(kStart, value, {.tau = seconds(1), .warm_up = 0}).has_value());
    EXPECT_FALSE(spike.Add(value, {}));
    EXPECT_FALSE(trend.Add(kStart, value, {.tau_level = seconds(1), .tau_slope = seconds(1)}));
    EXPECT_EQ(cusum.Add(value, {}), Shift::kNone);
    EXPECT_EQ(test.Add(value, {}), Shift::kNone);
    EXPECT_FALSE(season.Add(kStart, value, {}).has_value());
  }
  EXPECT_FALSE(score.baseline().has_value());
  EXPECT_TRUE(std::isnan(test.mean()));
  EXPECT_TRUE(std::isnan(season.Usual(kStart, {})));
}

struct AllDetectors {
  ZScore z_score;
  Spike<15> spike;
  TrendChange trend;
  Cusum cusum;
  PageHinkley page_hinkley;
  Seasonal<168> seasonal;
};

TEST_F(DetectorsTest, EachIsAWindowOfAState) {
  const Fields<AllDetectors> fields = {window(&AllDetectors::z_score, "z_score", "."),
                                       window(&AllDetectors::spike, "spike", "."),
                                       window(&AllDetectors::trend, "trend", "."),
                                       window(&AllDetectors::cusum, "cusum", "."),
                                       window(&AllDetectors::page_hinkley, "page_hinkley", "."),
                                       window(&AllDetectors::seasonal, "seasonal", ".")};
  EXPECT_STREQ(fields.data()[5].choices[0], "seasonal<168>/1");
}

TEST(ExtremeReadingsTest, SpoilNoDetector) {
  Seasonal<24> seasonal;
  Spike<5> spike;
  for (const double value : {1.0, 1e300, -1e300, 1e30, 2.0, 1.0, 2.0, 1.0}) {
    seasonal.Add(kStart, value, {.warm_up = 3});
    spike.Add(value, {});
  }
  const std::optional<double> score = seasonal.Add(kStart, 1.5, {.warm_up = 3});
  ASSERT_TRUE(score);
  EXPECT_TRUE(std::isfinite(*score));
  EXPECT_TRUE(spike.Add(100, {}));
  EXPECT_FALSE(spike.Add(1.5, {}));
}

}  // namespace
}  // namespace gemel
