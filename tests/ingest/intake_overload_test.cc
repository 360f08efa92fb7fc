#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/ingest/mill.h"

namespace gemel::ingest {
namespace {

constexpr size_t kTiny = 4'096;

MillOptions Options(IntakeOptions intake) {
  return {.routes = {RouteOf("lab/{id}")}, .mailbox_bytes = kTiny, .intake = std::move(intake)};
}

TEST(IntakeOverloadTest, WithDropAFullMailboxIsCountedAndSaid) {
  Mill mill(Options({.drops_on_overload = true}));
  for (int i = 0; i < 100; ++i) mill.Send("lab/x", R"({"a": 1})");
  const size_t met = mill.Drain().size();
  EXPECT_GT(met, 0u);
  EXPECT_LT(met, 100u);
  EXPECT_EQ(mill.refused(Refusal::kOverload), 100 - met);
  const auto letters = mill.Letters();
  ASSERT_EQ(letters.size(), 100 - met);
  EXPECT_EQ(letters[0].reason, "overload");
  EXPECT_EQ(letters[0].error, "neither the twin's shard nor the disk has room");
  mill.Send("lab/x", "{}");
  EXPECT_EQ(mill.Drain().size(), 1u) << "there is room again";
}

TEST(IntakeOverloadTest, WithDropAFullOutboxIsCountedAndSaid) {
  MillOptions options = Options({.drops_on_overload = true});
  options.outbox_bytes_max = 100;
  Mill mill(options);
  mill.outbox.Append({.topic = "t", .payload = std::string(200, 'x')});
  mill.Send("lab/x", "{}");
  EXPECT_TRUE(mill.Drain().empty());
  EXPECT_EQ(mill.refused(Refusal::kOverload), 1u);
  EXPECT_EQ(mill.Letters().at(0).error, "the outbox is full: the broker takes effects too slowly");
}

// As if a journal had handed this to a shard, which has not applied it yet.
void Lag(Mill& mill, std::string_view id) {
  const journal::Record record{
      .lsn = MakeLsn(1, 1), .key_hash = HashKey("probe", id), .id = id, .payload = "{}"};
  std::vector<uint64_t> words(EncodedSize(record) / sizeof(uint64_t) + 1);
  Encode(record, reinterpret_cast<std::byte*>(words.data()));
  const auto bytes = std::as_bytes(std::span(words));
  ASSERT_TRUE(mill.sequencer->Replay(bytes.first(EncodedSize(record) - journal::kReadAhead)));
}

TEST(IntakeOverloadTest, WithDropALagBeyondItsBoundIsCountedAndSaid) {
  Mill mill(Options({.lag_max = 400, .drops_on_overload = true}));
  Lag(mill, "one");
  mill.Send("lab/x", "{}");
  EXPECT_EQ(mill.refused(Refusal::kOverload), 0u);
  Lag(mill, "two");
  Lag(mill, "three");
  mill.Send("lab/x", "{}");
  EXPECT_EQ(mill.refused(Refusal::kOverload), 1u);
  EXPECT_EQ(mill.Letters().at(0).error, "more than journal.lag_max waits to be applied");
}

// Whoever sees that it is overloaded stops the receiver; until then nobody may wait in its
// callback.
TEST(IntakeOverloadTest, AfterItsPatienceMessagesAreLetThrough) {
  MillOptions options = Options({.patience = std::chrono::milliseconds(1)});
  options.outbox_bytes_max = 100;
  Mill mill(options);
  mill.outbox.Append({.topic = "t", .payload = std::string(200, 'x')});
  for (int i = 0; i < 5; ++i) mill.Send("lab/x", "{}");
  EXPECT_EQ(mill.Drain().size(), 5u);
  EXPECT_TRUE(mill.Letters().empty());
}

TEST(IntakeOverloadTest, OtherwiseIntakeWaitsForRoomAndLosesNothing) {
  constexpr size_t kMessages = 3'000;
  Mill mill(Options({}));
  std::vector<std::string> met;
  {
    const std::jthread shard([&] {
      while (met.size() < kMessages) {
        const auto ids = mill.Discard(0, *mill.sequencer);
        met.insert(met.end(), ids.begin(), ids.end());
        std::this_thread::yield();
      }
    });
    for (size_t i = 0; i < kMessages; ++i) mill.Send("lab/d" + std::to_string(i), "{}");
  }
  ASSERT_EQ(met.size(), kMessages);
  for (size_t i = 0; i < kMessages; ++i) ASSERT_EQ(met[i], "d" + std::to_string(i));
  EXPECT_TRUE(mill.Letters().empty());
}

TEST(IntakeOverloadTest, IntakeWaitsWhileTheOutboxIsOver) {
  MillOptions options = Options({});
  options.outbox_bytes_max = 100;
  Mill mill(options);
  mill.outbox.Append({.topic = "t", .payload = std::string(200, 'x')});
  std::atomic<bool> is_accepted{false};
  std::jthread receiver([&] {
    mill.Send("lab/x", "{}");
    is_accepted = true;
  });
  // It must not get through, however often it tries.
  for (int i = 0; i < 1'000; ++i) {
    std::this_thread::yield();
    ASSERT_FALSE(is_accepted);
  }
  mill.outbox.Forget(mill.outbox.bytes());
  receiver.join();
  EXPECT_EQ(mill.Drain().size(), 1u);
}

TEST(IntakeOverloadTest, WhatCanNeverFitIsRefusedInsteadOfWaitedFor) {
  Mill mill(Options({}));
  mill.Send("lab/x", R"({"order": ")" + std::string(kTiny, 'x') + "\"}");
  EXPECT_EQ(mill.refused(Refusal::kPayloadTooLarge), 1u);
  EXPECT_TRUE(mill.Drain().empty());
  mill.Send("lab/x", "{}");
  EXPECT_EQ(mill.Drain().size(), 1u);
}

// Inside the callback nobody may wait for longer, and returning would tell the broker that the
// message is safe.
TEST(IntakeOverloadDeathTest, RoomThatDoesNotComeEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Mill mill(Options({.patience = std::chrono::milliseconds(20)}));
        while (true) mill.Send("lab/x", R"({"a": 1})");
      },
      testing::ExitedWithCode(3), "it stays with the broker");
}

}  // namespace
}  // namespace gemel::ingest
