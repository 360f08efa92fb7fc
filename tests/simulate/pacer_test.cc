#include "gateway/simulate/pacer.h"

#include <gtest/gtest.h>

#include "gateway/simulate/latency.h"

namespace gemel::simulate {
namespace {

using namespace std::chrono_literals;

constexpr Time kStart{std::chrono::seconds(1'700'000'000)};

TEST(PacerTest, SpeedSaysHowFastVirtualTimeRuns) {
  const Pacer pacer({.speed = 10}, kStart);
  EXPECT_EQ(pacer.WaitFor(kStart + 20s, 0, 0s), 2s);
  EXPECT_EQ(pacer.WaitFor(kStart + 20s, 999, 1500ms), 500ms);
  EXPECT_EQ(pacer.WaitFor(kStart + 20s, 0, 3s), 0s);
  EXPECT_EQ(pacer.VirtualNow(500ms), kStart + 5s);
}

TEST(PacerTest, RateSaysHowManyMessagesGoInASecondWhateverTheirTime) {
  const Pacer pacer({.rate = 100}, kStart);
  EXPECT_EQ(pacer.WaitFor(kStart + 1h, 0, 0s), 0s);
  EXPECT_EQ(pacer.WaitFor(kStart, 50, 0s), 500ms);
  EXPECT_EQ(pacer.WaitFor(kStart, 50, 500ms), 0s);
  EXPECT_FALSE(pacer.VirtualNow(1s));
}

TEST(PacerTest, OfTwoLimitsTheSlowerOneCounts) {
  const Pacer pacer({.speed = 1, .rate = 100}, kStart);
  EXPECT_EQ(pacer.WaitFor(kStart + 2s, 100, 0s), 2s);
  EXPECT_EQ(pacer.WaitFor(kStart + 2s, 300, 0s), 3s);
}

TEST(PacerTest, WithoutLimitsNothingWaits) {
  const Pacer pacer({}, kStart);
  EXPECT_EQ(pacer.WaitFor(kStart + 1h, 1'000'000, 0s), 0s);
}

TEST(LatencyTest, QuantilesAreWithinAPercent) {
  Latency latency;
  EXPECT_EQ(latency.Quantile(0.5), 0ns);
  for (int i = 1; i <= 10'000; ++i) latency.Add(i * 1us);
  EXPECT_NEAR(static_cast<double>(latency.Quantile(0.5).count()), 5e6, 5e4);
  EXPECT_NEAR(static_cast<double>(latency.Quantile(0.99).count()), 9.9e6, 9.9e4);
  EXPECT_NEAR(static_cast<double>(latency.Quantile(1).count()), 1e7, 1e5);
  EXPECT_EQ(latency.count(), 10'000u);
}

TEST(LatencyTest, TakesAnything) {
  Latency latency;
  latency.Add(-5ns);
  EXPECT_EQ(latency.Quantile(0.5), 0ns);
  latency.Add(127ns);
  latency.Add(128ns);
  EXPECT_EQ(latency.Quantile(0.6), 127ns);
  EXPECT_EQ(latency.Quantile(1), 128ns);
  latency.Add(std::chrono::nanoseconds::max());
  EXPECT_GT(latency.Quantile(1), 24h * 365 * 200);
}

}  // namespace
}  // namespace gemel::simulate
