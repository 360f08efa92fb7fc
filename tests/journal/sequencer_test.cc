#include "gateway/journal/sequencer.h"

#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/journal/sequencing.h"

namespace gemel::journal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(SequencerTest, NumbersStartWithTheEpochAndRise) {
  Make(1);
  ASSERT_EQ(Append(RecordOf("a")), Sequencer::Outcome::kAppended);
  ASSERT_EQ(Append(RecordOf("b")), Sequencer::Outcome::kAppended);
  EXPECT_EQ(Take(0)->lsn(), MakeLsn(3, 1));
  EXPECT_EQ(Take(0)->lsn(), MakeLsn(3, 2));
}

TEST_F(SequencerTest, FourAppendingThreadsLeaveEachMailboxInOrder) {
  constexpr int kEach = 5'000;
  Make(3, 8 << 20);
  {
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kEach; ++i) {
          const std::string id = std::to_string(thread) + "-" + std::to_string(i);
          ASSERT_EQ(Append(RecordOf(id)), Sequencer::Outcome::kAppended);
        }
      });
    }
  }
  std::map<Lsn, int> seen;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    Lsn last = kNoLsn;
    while (const auto record = Take(shard)) {
      EXPECT_GT(record->lsn(), last);
      last = record->lsn();
      ++seen[last];
    }
  }
  EXPECT_EQ(seen.size(), size_t{4} * kEach);
}

TEST_F(SequencerTest, ARecordGoesToTheShardOfItsPartition) {
  Make(7);
  for (int i = 0; i < 200; ++i) {
    const std::string id = "d" + std::to_string(i);
    ASSERT_EQ(Append(RecordOf(id)), Sequencer::Outcome::kAppended);
    const auto record = Take(PartitionOf(HashKey("m", id)) % 7);
    ASSERT_TRUE(record) << id;
    EXPECT_EQ(record->id(), id);
  }
}

TEST_F(SequencerTest, RecordTimeNeverGoesBackWhenTheClockDoes) {
  Make(1);
  Append(RecordOf("a"));
  clock_.JumpTo(kStart - hours(5));
  Append(RecordOf("b"));
  clock_.JumpTo(kStart + seconds(1));
  Append(RecordOf("c"));
  EXPECT_EQ(Take(0)->record_time(), kStart);
  EXPECT_EQ(Take(0)->record_time(), kStart);
  EXPECT_EQ(Take(0)->record_time(), kStart + seconds(1));
}

TEST_F(SequencerTest, AForwardJumpOfTheClockIsFollowedSlowly) {
  Make(1);
  Append(RecordOf("a"));
  Take(0);
  clock_.JumpTo(kStart + hours(48));
  clock_.Advance(seconds(10));
  Append(RecordOf("b"));
  const Time after = Take(0)->record_time();
  EXPECT_GT(after, kStart);
  EXPECT_LE(after, kStart + seconds(21));
}

TEST_F(SequencerTest, AForwardJumpIsFollowedNoFasterHoweverManyRecordsCome) {
  Make(1);
  Append(RecordOf("a"));
  Take(0);
  clock_.JumpTo(kStart + hours(48));
  Time last = kStart;
  for (int i = 0; i < 1'000; ++i) {
    clock_.Advance(std::chrono::milliseconds(1));
    Append(RecordOf("b"));
    const Time now = Take(0)->record_time();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(last, kStart + std::chrono::milliseconds(1'900));
  EXPECT_LE(last, kStart + std::chrono::milliseconds(2'100));
}

TEST_F(SequencerTest, SilenceOfHoursIsNoJump) {
  Make(1);
  Append(RecordOf("a"));
  Take(0);
  clock_.Advance(hours(9));
  Append(RecordOf("b"));
  EXPECT_EQ(Take(0)->record_time(), kStart + hours(9));
}

TEST_F(SequencerTest, AFrameIsAppendedAsAWholeOrNotAtAll) {
  Make(2, 4'096);
  const std::string large(1'500, 'x');
  // Two ids of different shards.
  std::string ids[2];
  for (int i = 0; ids[0].empty() || ids[1].empty(); ++i) {
    const std::string id = std::to_string(i);
    ids[sequencer_->ShardOf(HashKey("m", id))] = id;
  }
  ASSERT_EQ(Append(RecordOf(ids[1], large)), Sequencer::Outcome::kAppended);
  std::vector<Record> frame = {RecordOf(ids[0], "{}"), RecordOf(ids[1], large)};
  EXPECT_EQ(sequencer_->Append(frame), Sequencer::Outcome::kFull);
  EXPECT_FALSE(Take(0)) << "half of the frame was appended";
  ASSERT_TRUE(Take(1));
  mailboxes_[1]->Release();
  EXPECT_EQ(sequencer_->Append(frame), Sequencer::Outcome::kAppended);
  EXPECT_TRUE(Take(0));
  EXPECT_TRUE(Take(1));
}

TEST_F(SequencerTest, WhatCanNeverFitIsTooLarge) {
  Make(1, 4'096);
  const std::string large(4'000, 'x');
  EXPECT_EQ(Append(RecordOf("a", large)), Sequencer::Outcome::kTooLarge);
  const std::string half(700, 'x');
  std::vector<Record> frame(4, RecordOf("a", half));
  EXPECT_EQ(sequencer_->Append(frame), Sequencer::Outcome::kTooLarge);
}

TEST_F(SequencerTest, WaitingForRoomEndsWhenSpaceIsFreed) {
  Make(1, 4'096);
  const std::string payload(1'000, 'x');
  while (Append(RecordOf("a", payload)) == Sequencer::Outcome::kAppended) {
  }
  std::jthread consumer([&] {
    while (Take(0)) {
    }
    mailboxes_[0]->Release();
    sequencer_->SpaceFreed();
  });
  Sequencer::Outcome outcome = Sequencer::Outcome::kFull;
  while (outcome == Sequencer::Outcome::kFull) {
    sequencer_->WaitForRoom(milliseconds(10));
    outcome = Append(RecordOf("a", payload));
  }
  EXPECT_EQ(outcome, Sequencer::Outcome::kAppended);
}

}  // namespace
}  // namespace gemel::journal
