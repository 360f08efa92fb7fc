#include "gateway/twin/shard.h"

#include <latch>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

class ShardTest : public ::testing::Test {
 protected:
  ~ShardTest() override { shard_.DrainAndStop(); }  // before the sequencer goes
  void Start() { shard_.Start(sequencer_); }
  void Append(std::string_view id, std::string_view json) {
    journal::Record record{.key_hash = HashKey("probe", id), .id = id, .payload = json};
    while (sequencer_.Append({&record, 1}) == journal::Sequencer::Outcome::kFull) {
      sequencer_.WaitForRoom(std::chrono::milliseconds(10));
    }
  }
  uint64_t applied() const { return shard_.engine().stats(0).applied.value(); }

  ProbeWorld probes_;
  KeptSink sink_;
  ManualClock clock_{kStart};
  Shard shard_{0, probes_.world, sink_, 4'096};
  journal::Sequencer sequencer_{1, clock_, {shard_.inbox()}};
};

TEST_F(ShardTest, WhatIsInTheMailboxIsAppliedBeforeItEnds) {
  for (int i = 0; i < 10; ++i) Append("x", "{}");
  EXPECT_EQ(applied(), 0u) << "it was not started";
  Start();
  shard_.DrainAndStop();
  EXPECT_EQ(applied(), 10u);
}

TEST_F(ShardTest, ASmallMailboxGivesItsSpaceBack) {
  Start();
  for (int i = 0; i < 2'000; ++i) Append("x", R"({"a": 1, "b": 2})");
  shard_.DrainAndStop();
  EXPECT_EQ(applied(), 2'000u);
  EXPECT_EQ(shard_.bytes_waiting(), 0u);
}

TEST_F(ShardTest, RequestsAreAnsweredInTheirOrder) {
  std::vector<int> order;
  std::latch done(10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(shard_.Ask([&, i](Engine&) {
      order.push_back(i);
      done.count_down();
      return true;
    }));
  }
  Start();
  done.wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(ShardTest, MessagesAreAppliedBetweenTheSlicesOfARequest) {
  Start();
  std::latch began(1);
  std::latch ended(1);
  bool has_begun = false;
  // Ends only because the message is applied while it is under way.
  shard_.Ask([&](Engine& engine) {
    if (!has_begun) began.count_down();
    has_begun = true;
    if (engine.stats(0).applied.value() == 0) return false;
    ended.count_down();
    return true;
  });
  began.wait();
  Append("x", "{}");
  ended.wait();
  EXPECT_EQ(applied(), 1u);
}

TEST_F(ShardTest, ARequestUnderWayIsFinishedBeforeTheShardEnds) {
  int slices = 0;
  shard_.Ask([&](Engine&) { return ++slices == 1'000; });
  Start();
  shard_.DrainAndStop();
  EXPECT_EQ(slices, 1'000);
}

TEST_F(ShardTest, AfterItHasEndedItTakesNoRequest) {
  Start();
  shard_.DrainAndStop();
  EXPECT_FALSE(shard_.Ask([](Engine&) { return true; }));
}

}  // namespace
}  // namespace gemel::twin
