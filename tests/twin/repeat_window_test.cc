#include "gateway/twin/repeat_window.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gemel::twin {
namespace {

constexpr size_t kWordBits = 64;

// Sequence numbers for one window.
struct Numbers {
  explicit Numbers(size_t window_size) : size(window_size) {}
  bool Has(uint64_t number) { return window.HasSeenNumber(number, size); }

  const size_t size;
  RepeatWindow window;
};

TEST(RepeatWindowTest, AnIdIsKnownWhileItIsAmongTheLastOnes) {
  RepeatWindow window;
  for (const uint64_t id : {7, 8, 9}) EXPECT_FALSE(window.HasSeenId(id, 3));
  for (const uint64_t id : {9, 7, 8}) EXPECT_TRUE(window.HasSeenId(id, 3));
  EXPECT_FALSE(window.HasSeenId(10, 3)) << "7 goes for it";
  for (const uint64_t id : {8, 9, 10}) EXPECT_TRUE(window.HasSeenId(id, 3));
  EXPECT_FALSE(window.HasSeenId(7, 3)) << "8 goes for it";
  EXPECT_FALSE(window.HasSeenId(8, 3)) << "9 goes for it";
  EXPECT_TRUE(window.HasSeenId(10, 3));
  EXPECT_FALSE(window.HasSeenId(9, 3));
}

TEST(RepeatWindowTest, ARepeatMakesAnIdNoNewer) {
  RepeatWindow window;
  EXPECT_FALSE(window.HasSeenId(1, 2));
  EXPECT_FALSE(window.HasSeenId(2, 2));
  EXPECT_TRUE(window.HasSeenId(1, 2));
  EXPECT_FALSE(window.HasSeenId(3, 2)) << "1 goes, though it was the last to be repeated";
  EXPECT_TRUE(window.HasSeenId(2, 2));
}

TEST(RepeatWindowTest, AWindowOfOneKnowsTheLastId) {
  RepeatWindow window;
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(window.HasSeenId(1, 1));
    EXPECT_TRUE(window.HasSeenId(1, 1));
    EXPECT_FALSE(window.HasSeenId(0, 1));
  }
}

TEST(RepeatWindowTest, NumbersInOrderAreNewEachOnce) {
  Numbers numbers(100);
  for (uint64_t i = 0; i < 1'000; ++i) {
    EXPECT_FALSE(numbers.Has(i)) << i;
    EXPECT_TRUE(numbers.Has(i)) << i;
    EXPECT_TRUE(numbers.Has(i - std::min<uint64_t>(i, 99))) << i;
  }
}

TEST(RepeatWindowTest, NumbersOutOfOrderAreNewEachOnceWithinTheWindow) {
  Numbers numbers(10);
  for (const uint64_t number : {100, 105, 101, 109, 104, 96, 100 + 63}) {
    EXPECT_FALSE(numbers.Has(number)) << number;
    EXPECT_TRUE(numbers.Has(number)) << number;
  }
  // What was passed over is new when it comes at last.
  EXPECT_FALSE(numbers.Has(102));
  EXPECT_TRUE(numbers.Has(105));
}

TEST(RepeatWindowTest, AJumpAheadForgetsWhatWasBefore) {
  Numbers numbers(64);
  for (uint64_t i = 0; i < 64; ++i) numbers.Has(i);
  EXPECT_FALSE(numbers.Has(63 + 64));
  // All others share a bit with one of the old ones.
  for (uint64_t i = 64; i < 63 + 64; ++i) EXPECT_FALSE(numbers.Has(i)) << i;
  EXPECT_FALSE(numbers.Has(uint64_t{1} << 40));
  EXPECT_TRUE(numbers.Has(uint64_t{1} << 40));
}

TEST(RepeatWindowTest, ANumberBelowTheWindowIsASequenceThatBeganAnew) {
  Numbers numbers(64);
  for (uint64_t i = 1'000; i < 1'100; ++i) numbers.Has(i);
  EXPECT_FALSE(numbers.Has(1));
  for (uint64_t i = 2; i < 200; ++i) EXPECT_FALSE(numbers.Has(i)) << i;
  EXPECT_TRUE(numbers.Has(199));
  EXPECT_FALSE(numbers.Has(1'050)) << "of the former sequence, which is forgotten";
}

TEST(RepeatWindowTest, TheWindowOfNumbersEndsAtAWholeWord) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{100}}) {
    const uint64_t span = (size + kWordBits - 1) / kWordBits * kWordBits;
    Numbers inside(size);
    EXPECT_FALSE(inside.Has(1'000));
    EXPECT_FALSE(inside.Has(1'000 + span - 1));
    EXPECT_TRUE(inside.Has(1'000)) << size;
    Numbers outside(size);
    EXPECT_FALSE(outside.Has(1'000));
    EXPECT_FALSE(outside.Has(1'000 + span));
    EXPECT_FALSE(outside.Has(1'000)) << size << ": the sequence begins anew";
  }
}

TEST(RepeatWindowTest, ItGoesOnFromItsParts) {
  std::mt19937_64 random(1);
  RepeatWindow ids;
  Numbers numbers(100);
  for (int i = 0; i < 500; ++i) {
    ids.HasSeenId(random() % 50, 30);
    numbers.Has(random() % 500);
  }
  const RepeatWindow& known = numbers.window;
  RepeatWindow same_ids(ids.kind(), ids.next(), ids.words());
  RepeatWindow same_numbers(known.kind(), known.next(), known.words());
  for (int i = 0; i < 500; ++i) {
    const uint64_t id = random() % 50;
    EXPECT_EQ(same_ids.HasSeenId(id, 30), ids.HasSeenId(id, 30));
    const uint64_t number = random() % 500;
    EXPECT_EQ(same_numbers.HasSeenNumber(number, 100), numbers.Has(number));
  }
}

// A route may name another repeat key from one start to the next.
TEST(RepeatWindowTest, WhatWasRecognisedOtherwiseIsForgotten) {
  RepeatWindow window;
  EXPECT_EQ(window.kind(), RepeatWindow::Kind::kUnused);
  for (uint64_t id = 0; id < 100; ++id) window.HasSeenId(UINT64_MAX - id, 100);
  for (uint64_t i = 0; i < 100; ++i) {
    const uint64_t number = 1'000 + (i ^ 7);  // out of order
    EXPECT_FALSE(window.HasSeenNumber(number, 100)) << number;
    EXPECT_TRUE(window.HasSeenNumber(number, 100)) << number;
  }
  EXPECT_FALSE(window.HasSeenId(UINT64_MAX, 100));
  EXPECT_TRUE(window.HasSeenId(UINT64_MAX, 100));
}

// What the window does, said as simply as it can be.
class Reference {
 public:
  explicit Reference(size_t size)
      : size_(size), span_((size + kWordBits - 1) / kWordBits * kWordBits) {}

  bool HasId(uint64_t id) {
    if (std::ranges::find(ids_, id) != ids_.end()) return true;
    ids_.push_back(id);
    if (ids_.size() > size_) ids_.pop_front();
    return false;
  }
  bool HasNumber(uint64_t number) {
    if (!highest_ || number + span_ <= *highest_) numbers_.clear();
    if (numbers_.empty() || number > *highest_) highest_ = number;
    std::erase_if(numbers_, [&](uint64_t known) { return known + span_ <= *highest_; });
    return !numbers_.insert(number).second;
  }

 private:
  const size_t size_;
  const uint64_t span_;
  std::deque<uint64_t> ids_;
  std::set<uint64_t> numbers_;
  std::optional<uint64_t> highest_;
};

TEST(RepeatWindowTest, ItSaysWhatASimplerOneSays) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int repeats = 0;
  for (int round = 0; round < 200; ++round) {
    const size_t size = 1 + random() % 200;
    RepeatWindow ids;
    Numbers numbers(size);
    Reference reference(size);
    uint64_t number = random() % 1'000;
    for (int i = 0; i < 500; ++i) {
      const uint64_t id = random() % (2 * size);
      ASSERT_EQ(ids.HasSeenId(id, size), reference.HasId(id)) << size;
      // Mostly onward, sometimes back, now and then far away.
      number += random() % 4;
      if (random() % 100 == 0) number = random() % 2'000;
      const uint64_t said = random() % 3 == 0 ? number - std::min(number, random() % 300) : number;
      const bool is_repeat = reference.HasNumber(said);
      ASSERT_EQ(numbers.Has(said), is_repeat) << size << " " << said;
      repeats += is_repeat ? 1 : 0;
    }
  }
  EXPECT_GT(repeats, 1'000);
}

TEST(RepeatWindowTest, NegativeNumbersAreNumbersLikeOthers) {
  Numbers numbers(64);
  for (int64_t number = -200; number < 200; ++number) {
    EXPECT_FALSE(numbers.Has(static_cast<uint64_t>(number))) << number;
    EXPECT_TRUE(numbers.Has(static_cast<uint64_t>(number))) << number;
  }
}

TEST(RepeatWindowTest, AWindowThatWasMadeSmallerOrLargerForgetsTheOldestFirst) {
  RepeatWindow window;
  for (uint64_t id = 1; id <= 11; ++id) window.HasSeenId(id, 8);
  RepeatWindow smaller(window.kind(), window.next(), window.words());
  EXPECT_TRUE(smaller.HasSeenId(8, 4));
  EXPECT_FALSE(smaller.HasSeenId(7, 4));
  for (uint64_t id = 100; id < 200; ++id) smaller.HasSeenId(id, 4);
  for (uint64_t id = 8; id <= 11; ++id) EXPECT_FALSE(smaller.HasSeenId(id, 4)) << id;
  RepeatWindow larger(window.kind(), window.next(), window.words());
  for (uint64_t id = 12; id <= 15; ++id) EXPECT_FALSE(larger.HasSeenId(id, 12));
  for (uint64_t id = 4; id <= 15; ++id) EXPECT_TRUE(larger.HasSeenId(id, 12)) << id;
  EXPECT_FALSE(larger.HasSeenId(16, 12));
  EXPECT_FALSE(larger.HasSeenId(4, 12)) << "16 came for it";
}

}  // namespace
}  // namespace gemel::twin
