#include "gateway/effects/notice_limit.h"

#include <gtest/gtest.h>

namespace gemel::effects {
namespace {

using namespace std::chrono_literals;

// How many of so many notices may leave.
size_t Taken(NoticeLimit& limit, size_t count, uint64_t key_hash, std::chrono::nanoseconds now,
             uint16_t model = 0) {
  size_t taken = 0;
  for (size_t i = 0; i < count; ++i) taken += limit.Take(model, key_hash, now) ? 1 : 0;
  return taken;
}

TEST(NoticeLimitTest, WithoutRatesAllLeave) {
  NoticeLimit limit({}, 1);
  EXPECT_FALSE(limit.is_on());
  EXPECT_EQ(Taken(limit, 1'000, 7, 0s), 1'000u);
  EXPECT_EQ(limit.twins(), 0u);
}

TEST(NoticeLimitTest, ATwinHasItsMinutesWorthAtOnceAndThenAsTimePasses) {
  NoticeLimit limit({.per_twin = 6}, 1);
  EXPECT_EQ(Taken(limit, 10, 7, 0s), 6u);
  EXPECT_EQ(Taken(limit, 10, 8, 0s), 6u) << "another twin has its own";
  EXPECT_EQ(Taken(limit, 10, 7, 9s), 0u);
  EXPECT_EQ(Taken(limit, 10, 7, 10s), 1u);
  EXPECT_EQ(Taken(limit, 10, 7, 30s), 2u);
  EXPECT_EQ(Taken(limit, 10, 7, 1h), 6u) << "no more than a minute's are saved up";
}

TEST(NoticeLimitTest, AModelHasItsOwnAndWhatItDeniesCostsTheTwinNothing) {
  NoticeLimit limit({.per_twin = 4, .per_model = 6}, 2);
  EXPECT_EQ(Taken(limit, 10, 7, 0s), 4u);
  EXPECT_EQ(Taken(limit, 10, 8, 0s), 2u);
  EXPECT_EQ(Taken(limit, 10, 8, 0s, 1), 2u) << "of the other model, what the twin has left";
  EXPECT_EQ(Taken(limit, 10, 0, 0s, 1), 4u) << "whose twin nobody knows";
}

TEST(NoticeLimitTest, TwinsThatAreQuietAreForgotten) {
  NoticeLimit limit({.per_twin = 1}, 1);
  for (uint64_t twin = 1; twin <= 100; ++twin) EXPECT_TRUE(limit.Take(0, twin, 1s));
  EXPECT_EQ(limit.twins(), 100u);
  EXPECT_TRUE(limit.Take(0, 1'000, 2min));
  EXPECT_EQ(limit.twins(), 1u);
}

}  // namespace
}  // namespace gemel::effects
