#include "gateway/admission.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace gemel {
namespace {

constexpr std::chrono::seconds kPatience{20};

// The receiver and what is in the way of its messages, played by the test.
class AdmissionTest : public ::testing::Test {
 protected:
  void Start() {
    admission_.emplace(Admission::Hooks{.why_held = [this] { return WhyHeld(); },
                                        .stop = [this] { Stop(); },
                                        .start = [this] { return StartReceiver(); }});
  }
  // What is in the way from now on; "" for nothing.
  void Say(const std::string& why) {
    const std::lock_guard lock(mutex_);
    why_ = why;
  }
  void FailStarts(int count) {
    const std::lock_guard lock(mutex_);
    failures_ = count;
  }
  // Until what is in the way was asked for, and what follows from that done, a few times.
  void AwaitLooks() {
    std::unique_lock lock(mutex_);
    const int wanted = looks_ + 3;
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return looks_ >= wanted; }));
  }
  bool Await(int stops, int starts) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return stops_ >= stops && starts_ >= starts; });
  }
  int starts() {
    const std::lock_guard lock(mutex_);
    return starts_;
  }
  void ExpectCalls(int stops, int starts) {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(stops_, stops);
    EXPECT_EQ(starts_, starts);
  }

  std::optional<Admission> admission_;

 private:
  // The hooks, on the thread of the admission.
  std::string WhyHeld() {
    const std::lock_guard lock(mutex_);
    ++looks_;
    changed_.notify_all();
    return why_;
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    ++stops_;
    changed_.notify_all();
  }
  Status StartReceiver() {
    const std::lock_guard lock(mutex_);
    ++starts_;
    changed_.notify_all();
    if (failures_ == 0) return Status::Ok();
    --failures_;
    return Unavailable("told to fail");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string why_;
  int looks_ = 0;
  int stops_ = 0;
  int starts_ = 0;
  int failures_ = 0;
};

TEST_F(AdmissionTest, WhileNothingIsInTheWayTheReceiverIsLeftAlone) {
  Start();
  AwaitLooks();
  ExpectCalls(0, 0);
  EXPECT_EQ(admission_->why_held(), "");
}

TEST_F(AdmissionTest, WhatIsInTheWayStopsTheReceiverOnceAndIsTold) {
  Start();
  Say("the disk is full");
  ASSERT_TRUE(Await(1, 0));
  EXPECT_EQ(admission_->why_held(), "the disk is full") << "told by the time it is stopped";
  AwaitLooks();
  ExpectCalls(1, 0);
  EXPECT_EQ(admission_->why_held(), "the disk is full");
}

TEST_F(AdmissionTest, OnceItIsGoneTheReceiverIsStartedOnce) {
  Say("the disk is full");
  Start();
  ASSERT_TRUE(Await(1, 0));
  Say("");
  ASSERT_TRUE(Await(1, 1));
  AwaitLooks();
  ExpectCalls(1, 1);
  EXPECT_EQ(admission_->why_held(), "");
}

TEST_F(AdmissionTest, EveryChangeIsOneCall) {
  Start();
  for (int round = 1; round <= 3; ++round) {
    Say("round " + std::to_string(round));
    ASSERT_TRUE(Await(round, round - 1));
    EXPECT_EQ(admission_->why_held(), "round " + std::to_string(round));
    Say("");
    ASSERT_TRUE(Await(round, round));
    AwaitLooks();
    ExpectCalls(round, round);
  }
}

TEST_F(AdmissionTest, AStartThatFailsIsTriedAgainAndTheReceiverCountsAsHeld) {
  FailStarts(1'000'000);
  Say("the disk is full");
  Start();
  ASSERT_TRUE(Await(1, 0));
  Say("");
  ASSERT_TRUE(Await(1, 3));
  EXPECT_NE(admission_->why_held(), "");
  FailStarts(0);
  AwaitLooks();
  EXPECT_EQ(admission_->why_held(), "");
  const int before = starts();
  AwaitLooks();
  ExpectCalls(1, before);
}

TEST_F(AdmissionTest, WhatComesBetweenTwoStartsThatFailHoldsItOn) {
  FailStarts(1'000'000);
  Say("the disk is full");
  Start();
  ASSERT_TRUE(Await(1, 0));
  Say("");
  ASSERT_TRUE(Await(1, 1));
  Say("the outbox is full");
  AwaitLooks();
  const int before = starts();
  FailStarts(0);
  AwaitLooks();
  ExpectCalls(1, before);
  EXPECT_NE(admission_->why_held(), "");
  Say("");
  ASSERT_TRUE(Await(1, before + 1));
  AwaitLooks();
  ExpectCalls(1, before + 1);
}

TEST_F(AdmissionTest, AtItsEndTheReceiverStaysAsItIs) {
  Start();
  AwaitLooks();
  admission_.reset();
  ExpectCalls(0, 0);
  Say("the disk is full");
  Start();
  ASSERT_TRUE(Await(1, 0));
  admission_.reset();
  ExpectCalls(1, 0);
}

}  // namespace
}  // namespace gemel
