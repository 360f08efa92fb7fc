#include "gateway/sdk/sketches.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

class SketchesTest : public ::testing::Test {
 protected:
  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

double ExactQuantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

// The worked example of Jain and Chlamtac, section 5: the median of twenty numbers.
TEST_F(SketchesTest, P2ComesToWhatItsPaperComesTo) {
  P2Quantile median;
  for (const double value : {0.02,  0.15,  0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92,
                             34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27,  0.42,  0.09,  11.37})
    median.Add(value, 0.5);
  EXPECT_NEAR(median.value(), 4.44, 0.005);
  EXPECT_EQ(median.count(), 20U);
}

TEST_F(SketchesTest, P2IsExactForFewAndNearForMany) {
  P2Quantile few;
  EXPECT_TRUE(std::isnan(few.value()));
  for (const double value : {5.0, 1.0, 4.0}) few.Add(value, 0.5);
  EXPECT_EQ(few.value(), 4);
  std::normal_distribution<double> normal(20, 3);
  for (const double share : {0.1, 0.5, 0.9, 0.99}) {
    P2Quantile sketch;
    std::vector<double> values;
    for (int i = 0; i < 20'000; ++i) {
      values.push_back(normal(random_));
      sketch.Add(values.back(), share);
    }
    // As a rank: which share of the readings lies below what it says.
    const auto below = static_cast<double>(
        std::ranges::count_if(values, [&](double value) { return value < sketch.value(); }));
    EXPECT_NEAR(below / 20'000, share, 0.01) << share;
  }
}

TEST_F(SketchesTest, P2StaysBetweenTheExtremesOfAnyNumbers) {
  for (int round = 0; round < 200; ++round) {
    P2Quantile sketch;
    double low = HUGE_VAL;
    double high = -HUGE_VAL;
    for (int i = 0; i < 100; ++i) {
      const auto value = static_cast<double>(random_() % 7) * std::pow(10.0, round % 12 - 6);
      sketch.Add(value, 0.75);
      low = std::min(low, value);
      high = std::max(high, value);
      ASSERT_GE(sketch.value(), low);
      ASSERT_LE(sketch.value(), high);
    }
  }
}

TEST_F(SketchesTest, DdSketchKeepsItsRelativeErrorForEveryQuantile) {
  for (const double spread : {0.1, 1.0, 1.5}) {
    std::lognormal_distribution<double> distribution(3, spread);
    DdSketch<1'024> sketch;
    std::vector<double> values;
    for (int i = 0; i < 10'000; ++i) {
      values.push_back(distribution(random_));
      ASSERT_TRUE(sketch.Add(values.back()));
    }
    for (const double share : {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const double exact = ExactQuantile(values, share);
      EXPECT_NEAR(sketch.Quantile(share), exact, 0.0101 * exact) << share;
    }
  }
}

TEST_F(SketchesTest, WhereTheRangeIsTooWideHighQuantilesStayRight) {
  DdSketch<256> sketch;
  std::vector<double> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(std::pow(10.0, static_cast<double>(random_() % 12'000) / 1'000 - 6));
    sketch.Add(values.back());
  }
  EXPECT_EQ(sketch.count(), 10'000U);
  // 256 buckets reach down to 1/167 of the largest: the upper sixth of the twelve decades.
  for (const double share : {0.9, 0.99, 1.0}) {
    const double exact = ExactQuantile(values, share);
    EXPECT_NEAR(sketch.Quantile(share), exact, 0.0101 * exact) << share;
  }
  EXPECT_GE(sketch.Quantile(0.1), ExactQuantile(values, 0.1)) << "too high, never too low";
}

TEST_F(SketchesTest, ADdSketchOfZerosAndOfNothing) {
  DdSketch<64> sketch;
  EXPECT_TRUE(std::isnan(sketch.Quantile(0.5)));
  EXPECT_FALSE(sketch.Add(-1));
  EXPECT_FALSE(sketch.Add(kNoNumber));
  EXPECT_EQ(sketch.count(), 0U);
  for (int i = 0; i < 9; ++i) sketch.Add(0);
  sketch.Add(100);
  EXPECT_EQ(sketch.Quantile(0.5), 0);
  EXPECT_NEAR(sketch.Quantile(1), 100, 1.01);
}

TEST_F(SketchesTest, MergedDdSketchesAreTheSketchOfAllWhateverTheOrder) {
  for (int round = 0; round < 50; ++round) {
    DdSketch<1'024> parts[2];
    std::vector<double> values;
    for (int i = 0; i < 500; ++i) {
      values.push_back(std::exp(static_cast<double>(random_() % 1'000) / 100));
      parts[random_() % 2].Add(values.back());
    }
    DdSketch<1'024> forth = parts[0];
    forth.Merge(parts[1]);
    DdSketch<1'024> back = parts[1];
    back.Merge(parts[0]);
    EXPECT_EQ(forth.count(), 500U);
    for (const double share : {0.0, 0.5, 0.95, 1.0}) {
      const double exact = ExactQuantile(values, share);
      EXPECT_NEAR(forth.Quantile(share), exact, 0.0101 * exact);
      EXPECT_EQ(forth.Quantile(share), back.Quantile(share));
    }
  }
}

// Four standard errors; the numbers are the same in each run.
TEST_F(SketchesTest, HyperLogLogCountsWithinItsStandardError) {
  for (const uint64_t count : {1ULL, 10ULL, 100ULL, 1'000ULL, 10'000ULL, 200'000ULL}) {
    HyperLogLog<8> small;
    HyperLogLog<10> large;
    for (uint64_t i = 0; i < count; ++i) {
      for (int again = 0; again < 2; ++again) {
        small.Add(i * 977);
        large.Add(i * 977);
      }
    }
    const auto exact = static_cast<double>(count);
    EXPECT_NEAR(small.Count(), exact, 4 * 0.065 * exact + 0.5) << count;
    EXPECT_NEAR(large.Count(), exact, 4 * 0.0325 * exact + 0.5) << count;
  }
}

TEST_F(SketchesTest, HyperLogLogOfTextsMergesToThatOfAll) {
  HyperLogLog<10> parts[2];
  HyperLogLog<10> all;
  std::set<std::string> exact;
  for (int i = 0; i < 5'000; ++i) {
    const std::string text = "device-" + std::to_string(random_() % 3'000);
    parts[i % 2].Add(text);
    all.Add(text);
    exact.insert(text);
  }
  parts[0].Merge(parts[1]);
  EXPECT_EQ(parts[0].Count(), all.Count());
  EXPECT_NEAR(all.Count(), static_cast<double>(exact.size()),
              5 * 0.0325 * static_cast<double>(exact.size()));
  EXPECT_EQ(HyperLogLog<10>().Count(), 0);
}

TEST_F(SketchesTest, HashesAreTheSameOnEachMachine) {
  static_assert(HashOf(uint64_t{0}) ==
                0xE220A8397B1DCDAFU);  // the first of SplitMix64 seeded with 0
  static_assert(HashOf(std::string_view("")) != HashOf(std::string_view("a")));
}

struct AllSketches {
  P2Quantile p2;
  DdSketch<512> dd;
  HyperLogLog<8> distinct;
};

TEST_F(SketchesTest, EachIsAWindowOfAState) {
  const Fields<AllSketches> fields = {window(&AllSketches::p2, "p2", "."),
                                      window(&AllSketches::dd, "dd", "."),
                                      window(&AllSketches::distinct, "distinct", ".")};
  EXPECT_STREQ(fields.data()[1].choices[0], "ddsketch<512,10>/1");
  EXPECT_STREQ(fields.data()[2].choices[0], "hyperloglog<8>/1");
}

}  // namespace
}  // namespace gemel
