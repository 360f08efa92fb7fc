#include "gateway/sdk/windows.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kStart{seconds{1'700'000'000}};

// Two passes, which is what one-pass figures are measured by.
struct Exact {
  std::vector<double> values;
  double sum() const {
    long double sum = 0;
    for (const double value : values) sum += value;
    return static_cast<double>(sum);
  }
  double mean() const { return sum() / static_cast<double>(values.size()); }
  double variance() const {
    long double squares = 0;
    for (const double value : values)
      squares +=
          (static_cast<long double>(value) - mean()) * (static_cast<long double>(value) - mean());
    return static_cast<double>(squares / static_cast<long double>(values.size() - 1));
  }
};

void ExpectSame(const Moments& found, const Exact& exact) {
  ASSERT_EQ(found.count(), exact.values.size());
  if (exact.values.empty()) {
    EXPECT_TRUE(std::isnan(found.mean()));
    return;
  }
  const double scale = 1e-12 * (1 + std::abs(exact.mean()));
  EXPECT_NEAR(found.mean(), exact.mean(), scale);
  EXPECT_NEAR(found.sum(), exact.sum(), scale * static_cast<double>(exact.values.size()));
  EXPECT_EQ(found.min(), std::ranges::min(exact.values));
  EXPECT_EQ(found.max(), std::ranges::max(exact.values));
  if (exact.values.size() > 1) {
    EXPECT_NEAR(found.variance(), exact.variance(), 1e-6 * exact.variance() + 1e-9);
  }
}

class WindowsTest : public ::testing::Test {
 protected:
  WindowsTest() { RecordProperty("seed", std::to_string(seed_)); }
  double Number(double from, double to) {
    return std::uniform_real_distribution<double>(from, to)(random_);
  }
  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

TEST_F(WindowsTest, ARingHoldsTheLastInTheOrderInWhichTheyCame) {
  Ring<double, 7> ring;
  std::deque<double> exact;
  for (int i = 0; i < 100; ++i) {
    const double value = Number(-1, 1);
    ring.Add(value);
    exact.push_back(value);
    if (exact.size() > 7) exact.pop_front();
    ASSERT_EQ(ring.size(), exact.size());
    EXPECT_EQ(ring.is_full(), exact.size() == 7);
    EXPECT_EQ(ring.newest(), value);
    for (uint32_t at = 0; at < ring.size(); ++at) ASSERT_EQ(ring[at], exact[at]);
  }
  static_assert(std::string_view(Ring<double, 32>::kLayout) == "ring<double,32>/1");
  static_assert(std::string_view(Ring<Reading, 8>::kLayout) == "ring<reading,8>/1");
  static_assert(sizeof(Ring<double, 7>) == 64 && sizeof(Ring<float, 7>) == 36);
}

TEST_F(WindowsTest, MomentsAreThoseOfTwoPassesEvenWhereTheMeanIsLarge) {
  for (const double offset : {0.0, 1e3, -1e9}) {
    Moments moments;
    Exact exact;
    for (int i = 0; i < 1'000; ++i) {
      const double value = offset + Number(-1, 1);
      moments.Add(value);
      exact.values.push_back(value);
    }
    ExpectSame(moments, exact);
  }
}

TEST_F(WindowsTest, MergedMomentsAreThoseOfAll) {
  for (int round = 0; round < 100; ++round) {
    Moments parts[3];
    Moments all;
    Exact exact;
    for (Moments& part : parts) {
      for (uint64_t i = random_() % 20; i > 0; --i) {
        exact.values.push_back(Number(-5, 100));
        part.Add(exact.values.back());
      }
      all.Merge(part);
    }
    ExpectSame(all, exact);
  }
}

TEST_F(WindowsTest, WhatIsNoNumberCountsNowhere) {
  Moments moments;
  Tumbling tumbling;
  Sliding<4> sliding;
  Ewma ewma;
  Rate rate;
  for (const double value : {kNoNumber, HUGE_VAL, -HUGE_VAL}) {
    moments.Add(value);
    tumbling.Add(kStart, value, seconds(1));
    EXPECT_FALSE(sliding.Add(kStart, value, seconds(1)));
    EXPECT_FALSE(ewma.Add(kStart, value, seconds(1)));
    EXPECT_FALSE(rate.Add(kStart, value).has_value());
  }
  EXPECT_EQ(moments.count(), 0U);
  EXPECT_EQ(tumbling.current().count(), 0U);
  EXPECT_EQ(sliding.At(kStart).count(), 0U);
  EXPECT_FALSE(ewma.has_value());
  EXPECT_EQ(rate.at(), kNoTime);
}

TEST_F(WindowsTest, TumblingGivesEachStretchOutOnceAndLateOnesCountInTheCurrentOnly) {
  Tumbling window;
  std::map<int64_t, Exact> exact;  // by stretch, without what came too late
  std::map<int64_t, Moments> told;
  Time now = kStart;
  int64_t newest = INT64_MIN;
  uint64_t late = 0;
  for (int i = 0; i < 5'000; ++i) {
    now += milliseconds(random_() % 2'000);
    const Time at = now - milliseconds(random_() % 4 == 0 ? random_() % 8'000 : 0);
    const double value = Number(0, 10);
    const int64_t stretch = at.time_since_epoch() / Duration(seconds(10));
    if (const auto ended = window.Add(at, value, seconds(10))) told[newest] = *ended;
    if (stretch < newest) {
      ++late;
      continue;
    }
    newest = stretch;
    exact[stretch].values.push_back(value);
    EXPECT_EQ(window.begin(), Time{stretch * Duration(seconds(10))});
  }
  ExpectSame(window.current(), exact[newest]);
  exact.erase(newest);
  EXPECT_EQ(window.late(), late);
  EXPECT_GT(late, 0U);
  ASSERT_EQ(told.size(), exact.size());
  for (const auto& [stretch, moments] : told) ExpectSame(moments, exact[stretch]);
}

TEST_F(WindowsTest, SlidingIsExactByThePaneInWhateverOrderReadingsCome) {
  Sliding<6> window;
  std::vector<std::pair<int64_t, double>> taken;  // pane, value
  int64_t newest = INT64_MIN;
  uint64_t late = 0;
  Time now{Duration{-50'000'000}};  // panes before the epoch are panes, too
  for (int i = 0; i < 3'000; ++i) {
    now += milliseconds(random_() % 100 == 0 ? 20'000 : random_() % 700);
    const Time at = now - milliseconds(random_() % 3 == 0 ? random_() % 9'000 : 0);
    const double value = Number(-100, 100);
    const auto pane = std::chrono::floor<seconds>(at.time_since_epoch()).count();
    const bool is_taken = window.Add(at, value, seconds(1));
    newest = std::max(newest, pane);
    ASSERT_EQ(is_taken, pane > newest - 6);
    if (is_taken) taken.emplace_back(pane, value);
    late += is_taken ? 0 : 1;

    const auto ask = static_cast<int64_t>(random_() % 9) - 4 + newest;
    Exact exact;
    for (const auto& [its, number] : taken) {
      if (its <= ask && its > std::max(ask, newest) - 6) exact.values.push_back(number);
    }
    ExpectSame(window.At(Time{seconds{ask}} + milliseconds(999)), exact);
    std::erase_if(taken, [&](const auto& each) { return each.first <= newest - 6; });
  }
  EXPECT_EQ(window.late(), late);
  EXPECT_GT(late, 0U);
}

TEST_F(WindowsTest, AnotherWidthBeginsAnew) {
  Sliding<4> sliding;
  Tumbling tumbling;
  for (const Duration width : {Duration(seconds(1)), Duration(seconds(2))}) {
    sliding.Add(kStart, 1, width);
    tumbling.Add(kStart, 1, width);
    EXPECT_EQ(sliding.At(kStart).count(), 1U);
    EXPECT_EQ(tumbling.current().count(), 1U);
  }
}

// The weighted mean and variance by their definition, over all readings at once. The first stands
// for all that was before it.
TEST_F(WindowsTest, EwmaIsTheWeightedMeanOfAllByElapsedTime) {
  Ewma ewma;
  std::vector<std::pair<double, double>> readings;  // seconds, value
  uint64_t at_ms = 0;
  for (int i = 0; i < 200; ++i) {
    const double at = static_cast<double>(at_ms) / 1'000;
    readings.emplace_back(at, Number(5, 6) + (i > 100 ? 3 : 0));
    EXPECT_TRUE(ewma.Add(kStart + milliseconds(at_ms), readings.back().second, seconds(10)));
    double mean = 0;
    double squares = 0;
    for (size_t k = 0; k < readings.size(); ++k) {
      const double until = std::exp((readings[k].first - at) / 10);
      const double weight =
          k == 0 ? until : until * -std::expm1((readings[k - 1].first - readings[k].first) / 10);
      mean += weight * readings[k].second;
      squares += weight * readings[k].second * readings[k].second;
    }
    ASSERT_NEAR(ewma.mean(), mean, 1e-9);
    ASSERT_NEAR(ewma.variance(), squares - mean * mean, 1e-8);
    at_ms += 1 + random_() % 5'000;
  }
}

TEST_F(WindowsTest, EwmaForgetsByOneEInATimeConstantAndIgnoresThePast) {
  Ewma ewma;
  ewma.Add(kStart, 1, seconds(10));
  ewma.Add(kStart + seconds(10), 0, seconds(10));
  EXPECT_NEAR(ewma.mean(), std::exp(-1), 1e-12);
  EXPECT_FALSE(ewma.Add(kStart + seconds(10), 100, seconds(10))) << "not newer";
  EXPECT_FALSE(ewma.Add(kStart + seconds(9), 100, seconds(10)));
  EXPECT_NEAR(ewma.mean(), std::exp(-1), 1e-12);
}

TEST_F(WindowsTest, ARateIsTheSlopeBetweenReadingsAndTheLateOnesAreIgnored) {
  Rate rate;
  EXPECT_EQ(rate.Add(kStart, 10), std::nullopt);
  EXPECT_EQ(rate.Add(kStart + seconds(2), 13), 1.5);
  EXPECT_EQ(rate.Add(kStart + seconds(1), 99), std::nullopt);
  EXPECT_EQ(rate.Add(kStart + seconds(2), 99), std::nullopt);
  EXPECT_EQ(rate.Add(kStart + seconds(4), 12), -0.5);
  EXPECT_EQ(rate.AddCounter(kStart + seconds(5), 4), 4) << "it has begun again";
  EXPECT_EQ(rate.AddCounter(kStart + seconds(6), 6), 2);
  EXPECT_EQ(rate.AddCounter(kStart + seconds(6), 1), std::nullopt);
  EXPECT_EQ(rate.AddCounter(kStart + seconds(7), 7), 1) << "a late reading is no restart";
}

TEST_F(WindowsTest, TimeInStateSumsToAllTimeThereWas) {
  TimeInState<4> spent;
  std::map<uint32_t, Duration> exact;
  EXPECT_EQ(spent.state(), std::nullopt);
  Time at = kStart;
  uint32_t state = 2;
  ASSERT_TRUE(spent.Enter(at, state));
  uint32_t changes = 0;
  for (int i = 0; i < 1'000; ++i) {
    const Duration step(random_() % 1'000'000);
    exact[state] += step;
    at += step;
    const auto next = static_cast<uint32_t>(random_() % 4);
    changes += next != state ? 1 : 0;
    ASSERT_TRUE(spent.Enter(at, next));
    state = next;
  }
  EXPECT_FALSE(spent.Enter(at - Duration(1), 0)) << "late";
  EXPECT_FALSE(spent.Enter(at, 4)) << "no such state";
  EXPECT_EQ(spent.state(), state);
  EXPECT_EQ(spent.changes(), changes);
  exact[state] += seconds(5);
  Duration all{0};
  for (uint32_t each = 0; each < 4; ++each) {
    EXPECT_EQ(spent.Spent(each, at + seconds(5)), exact[each]);
    all += spent.Spent(each, at + seconds(5));
  }
  EXPECT_EQ(all, at + seconds(5) - kStart);
}

// What is saved comes back as it was: a copy of the bytes goes on as the original does.
struct AllWindows {
  Ring<Reading, 5> ring;
  Moments moments;
  Tumbling tumbling;
  Sliding<3> sliding;
  Ewma ewma;
  Rate rate;
  TimeInState<2> time_in_state;
};

TEST_F(WindowsTest, EachIsAWindowOfAState) {
  const Fields<AllWindows> fields = {window(&AllWindows::ring, "ring", "."),
                                     window(&AllWindows::moments, "moments", "."),
                                     window(&AllWindows::tumbling, "tumbling", "."),
                                     window(&AllWindows::sliding, "sliding", "."),
                                     window(&AllWindows::ewma, "ewma", "."),
                                     window(&AllWindows::rate, "rate", "."),
                                     window(&AllWindows::time_in_state, "time_in_state", ".")};
  size_t bytes = 0;
  for (size_t i = 0; i < fields.size(); ++i) bytes += fields.data()[i].size;
  EXPECT_EQ(bytes, sizeof(AllWindows));
}

TEST(ExtremeNumbersTest, AreTakenByNoWindowAndSpoilNone) {
  Moments moments;
  Ewma ewma;
  Rate rate;
  Rate counter;
  for (const double value : {1.0, 1.7e308, -1.7e308, std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity(), kNoNumber, 3.0}) {
    const Time at = kStart + seconds(moments.count() + 1);
    moments.Add(value);
    ewma.Add(at, value, seconds(10));
    rate.Add(at, value);
    counter.AddCounter(at, value);
  }
  EXPECT_EQ(moments.count(), 2u);
  EXPECT_EQ(moments.mean(), 2.0);
  EXPECT_EQ(moments.variance(), 2.0);
  EXPECT_TRUE(std::isfinite(ewma.mean()) && std::isfinite(ewma.deviation()));
  EXPECT_EQ(rate.Add(kStart + seconds(3), 4.0), 1.0);
  EXPECT_EQ(counter.AddCounter(kStart + seconds(3), 5.0), 2.0) << "no restart was seen in it";
}

}  // namespace
}  // namespace gemel
