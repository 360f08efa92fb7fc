#include "gateway/twin/timers.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

using std::chrono::milliseconds;

Time At(int64_t ms) { return Time{milliseconds(ms)}; }

class TimersTest : public ::testing::Test {
 protected:
  Timers::Handle Arm(int64_t due_ms, uint32_t name = 1) {
    return timers_.Arm(twin_, 0, {.name = Symbol{name}, .due = At(due_ms), .cause = {name, 0}});
  }
  std::vector<Timers::Handle> Take(int64_t now_ms, size_t most = SIZE_MAX / 8) {
    std::vector<Timers::Due> due;
    timers_.TakeDue(At(now_ms), most, due);
    std::vector<Timers::Handle> handles;
    handles.reserve(due.size());
    for (const Timers::Due& one : due) handles.push_back(one.timer);
    return handles;
  }

  Timers timers_;
  Twin twin_{1, "t", 7};
};

TEST_F(TimersTest, ATimerIsDueAtItsMillisecondAndNotBefore) {
  for (const int64_t ms : {1, 63, 64, 65, 4'095, 4'096, 1'000'000, 123'456'789}) {
    const Timers::Handle timer = Arm(1'700'000'000'000 + ms);
    EXPECT_TRUE(Take(1'700'000'000'000 + ms - 1).empty()) << ms;
    EXPECT_EQ(Take(1'700'000'000'000 + ms), std::vector{timer}) << ms;
    timers_.Disarm(twin_, timer);
    timers_ = Timers();
  }
}

TEST_F(TimersTest, WhatLiesBetweenMillisecondsIsRoundedUp) {
  const Timers::Handle timer =
      timers_.Arm(twin_, 0, {.name = Symbol{1}, .due = At(5) + Duration(1), .cause = {1, 0}});
  EXPECT_EQ(timers_.At(timer).due, At(6));
  EXPECT_TRUE(Take(5).empty());
  EXPECT_EQ(Take(6).size(), 1u);
}

TEST_F(TimersTest, WhatIsPastIsDueAtOnce) {
  Take(1'000);
  const Timers::Handle timer = Arm(3);
  EXPECT_EQ(Take(1'001), std::vector{timer});
}

TEST_F(TimersTest, ATakenTimerStaysArmedUntilItIsDisarmed) {
  const Timers::Handle timer = Arm(10);
  Take(10);
  EXPECT_EQ(timers_.Find(twin_, Symbol{1}), timer);
  EXPECT_FALSE(timers_.DueFrom().has_value());
  timers_.Rearm(timer, At(20), {9, 1});
  EXPECT_EQ(timers_.At(timer).cause, (EffectId{9, 1}));
  EXPECT_EQ(Take(20), std::vector{timer});
  timers_.Disarm(twin_, timer);
  EXPECT_EQ(timers_.Find(twin_, Symbol{1}), Timers::kNone);
  EXPECT_EQ(timers_.size(), 0u);
}

TEST_F(TimersTest, DisarmAllLeavesNothingBehind) {
  for (uint32_t name = 1; name <= 100; ++name) Arm(name * 1'000, name);
  Take(50'000);
  timers_.DisarmAll(twin_);
  EXPECT_EQ(timers_.size(), 0u);
  EXPECT_FALSE(timers_.DueFrom().has_value());
  EXPECT_EQ(twin_.timers(), Timers::kNone);
}

TEST_F(TimersTest, TimersStayWithATwinThatGetsMoreAside) {
  const Timers::Handle timer = Arm(10);
  EXPECT_EQ(twin_.side(), nullptr) << "a twin that has nothing but timers is as small as any";
  twin_.MakeSide().alerts.emplace_back();
  EXPECT_EQ(timers_.Find(twin_, Symbol{1}), timer);
  Arm(20, 2);
  timers_.Disarm(twin_, timer);
  EXPECT_EQ(timers_.Find(twin_, Symbol{1}), Timers::kNone);
  EXPECT_NE(timers_.Find(twin_, Symbol{2}), Timers::kNone);
  EXPECT_EQ(twin_.side()->alerts.size(), 1u);
}

TEST_F(TimersTest, TheFarthestFutureIsNoTrouble) {
  const Timers::Handle timer =
      timers_.Arm(twin_, 0, {.name = Symbol{1}, .due = Time::max(), .cause = {1, 0}});
  EXPECT_TRUE(Take(4'000'000'000'000).empty());
  timers_.Disarm(twin_, timer);
  EXPECT_FALSE(timers_.DueFrom().has_value());
}

// Against a sorted list, which can't be wrong.
TEST_F(TimersTest, TheWheelAgreesWithASortedList) {
  std::mt19937_64 random(20'261'127);
  std::multimap<int64_t, Timers::Handle> expected;
  std::map<Timers::Handle, int64_t> armed;
  int64_t now = 1'700'000'000'000;
  Take(now);
  for (int step = 0; step < 20'000; ++step) {
    const auto draw = random();
    if (draw % 10 < 6) {
      // Near and far ones alike.
      const int64_t due =
          now + 1 + static_cast<int64_t>(random() >> (20 + random() % 40)) % 90'000'000;
      armed[Arm(due)] = due;
    } else if (draw % 10 < 8 && !armed.empty()) {
      auto chosen = armed.begin();
      std::advance(chosen, static_cast<long>(random() % std::min<size_t>(armed.size(), 9)));
      timers_.Disarm(twin_, chosen->first);
      armed.erase(chosen);
    } else {
      const auto from = timers_.DueFrom();
      now += 1 + static_cast<int64_t>(random() >> (24 + random() % 36)) % 5'000'000;
      std::set<Timers::Handle> due;
      int64_t first = INT64_MAX;
      for (const auto& [handle, time] : armed) {
        first = std::min(first, time);
        if (time <= now) due.insert(handle);
      }
      ASSERT_TRUE(armed.empty() || *from <= At(first)) << "nothing is due before that";
      std::set<Timers::Handle> taken;
      for (int look = 0; timers_.DueFrom().value_or(Time::max()) <= At(now); ++look) {
        ASSERT_LT(look, 1'000'000) << "each look brings it on";
        for (const Timers::Handle handle : Take(now, 3)) {
          ASSERT_TRUE(taken.insert(handle).second);
          ASSERT_LE(armed.at(handle), now);
        }
      }
      ASSERT_EQ(taken, due) << "at step " << step;
      for (const Timers::Handle handle : taken) {
        timers_.Disarm(twin_, handle);
        armed.erase(handle);
      }
    }
    ASSERT_EQ(timers_.size(), armed.size());
  }
}

TEST_F(TimersTest, TheEarliestMillisecondIsTakenFirst) {
  for (const int64_t due : {900, 70, 4'200, 64, 128, 5}) Arm(due);
  std::vector<int64_t> order;
  for (int i = 0; i < 6; ++i) {
    std::vector<Timers::Due> due;
    while (due.empty()) timers_.TakeDue(At(10'000), 1, due);
    order.push_back(
        std::chrono::duration_cast<milliseconds>(timers_.At(due[0].timer).due.time_since_epoch())
            .count());
  }
  EXPECT_EQ(order, (std::vector<int64_t>{5, 64, 70, 128, 900, 4'200}));
}

TEST_F(TimersTest, ATimerTakesAtMost64Bytes) {
  constexpr size_t kCount = 100'000;
  for (uint32_t i = 0; i < kCount; ++i) Arm(i, 1 + i % 100);
  EXPECT_LE(timers_.bytes(), 64 * kCount);
}

}  // namespace
}  // namespace gemel::twin
