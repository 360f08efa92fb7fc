#include "gateway/mqtt/backoff.h"

#include <set>

#include <gtest/gtest.h>

namespace gemel::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

TEST(BackoffTest, DoublesToItsCapLessUpToAHalf) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    Backoff backoff(100ms, 1'000ms, seed);
    for (const milliseconds most : {100ms, 200ms, 400ms, 800ms, 1'000ms, 1'000ms}) {
      const milliseconds delay = backoff.Next();
      EXPECT_GT(delay, most / 2);
      EXPECT_LE(delay, most);
    }
  }
}

TEST(BackoffTest, IsNotTheSameForEverybody) {
  std::set<milliseconds> delays;
  for (uint32_t i = 1; i <= 20; ++i) {
    delays.insert(Backoff(100ms, 1s, i * 2'654'435'761u).Next());
  }
  EXPECT_GT(delays.size(), 5u);
}

TEST(BackoffTest, BeginsAgainAfterReset) {
  Backoff backoff(100ms, 10s, 1);
  for (int i = 0; i < 10; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next(), 100ms);
}

TEST(BackoffTest, ALimitHoldsForOneCall) {
  Backoff backoff(100ms, 10s, 1);
  for (int i = 0; i < 10; ++i) backoff.Next();
  EXPECT_LE(backoff.Next(200ms), 200ms);
  EXPECT_GT(backoff.Next(), 5s);
}

TEST(BackoffTest, OneMillisecondIsTheLeast) {
  Backoff backoff(1ms, 1ms, 1);
  EXPECT_EQ(backoff.Next(), 1ms);
  EXPECT_EQ(backoff.Next(0ms), 1ms);
}

}  // namespace
}  // namespace gemel::mqtt
