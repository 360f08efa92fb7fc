#include "gateway/effects/outbox.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gemel::effects {
namespace {

struct Kept {
  EffectId id;
  EffectKind kind;
  bool is_retained;
  Duration lifetime;
  std::string topic;
  std::string payload;
};

std::vector<Kept> TakeAll(Outbox& outbox) {
  std::vector<std::byte> batch;
  std::vector<Kept> all;
  outbox.Take(batch);
  BatchReader reader(batch);
  Effect effect;
  size_t bytes = 0;
  while (reader.Next(effect, bytes)) {
    all.push_back({effect.id, effect.kind, effect.is_retained, effect.lifetime,
                   std::string(effect.topic), std::string(effect.payload)});
    outbox.Forget(bytes);
  }
  return all;
}

class OutboxTest : public ::testing::Test {
 protected:
  Parker parker_;
  Outbox outbox_{8'000, parker_};
};

TEST_F(OutboxTest, EffectsComeOutAsTheyWereAppended) {
  outbox_.Append({.id = {7, 1},
                  .kind = EffectKind::kCommand,
                  .lifetime = Duration{99},
                  .topic = "a/b",
                  .payload = "{}"});
  outbox_.Append(
      {.id = {8, 0}, .kind = EffectKind::kAlert, .is_retained = true, .topic = "c", .payload = ""});
  const auto all = TakeAll(outbox_);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, (EffectId{7, 1}));
  EXPECT_EQ(all[0].lifetime, Duration{99});
  EXPECT_EQ(all[0].topic, "a/b");
  EXPECT_EQ(all[0].payload, "{}");
  EXPECT_FALSE(all[0].is_retained);
  EXPECT_EQ(all[1].kind, EffectKind::kAlert);
  EXPECT_TRUE(all[1].is_retained);
  EXPECT_EQ(all[1].lifetime, Duration{0});
  EXPECT_EQ(all[1].payload, "");
}

TEST_F(OutboxTest, BytesAreCountedUntilForgotten) {
  EXPECT_EQ(outbox_.bytes(), 0u);
  outbox_.Append({.topic = "t", .payload = std::string(9'000, 'x')});
  EXPECT_TRUE(outbox_.is_over());
  EXPECT_EQ(outbox_.effects(), 1u);
  TakeAll(outbox_);
  EXPECT_EQ(outbox_.bytes(), 0u);
  EXPECT_EQ(outbox_.effects(), 0u);
  EXPECT_FALSE(outbox_.is_over());
}

TEST_F(OutboxTest, AShardIsNeverHeldHoweverFullItIs) {
  for (int i = 0; i < 100; ++i) outbox_.Append({.topic = "t", .payload = std::string(1'000, 'x')});
  EXPECT_EQ(TakeAll(outbox_).size(), 100u);
}

TEST_F(OutboxTest, DeadLettersBeyondTheirShareAreDroppedAndCounted) {
  for (int i = 0; i < 100; ++i) {
    outbox_.Append(
        {.kind = EffectKind::kDeadLetter, .topic = "t", .payload = std::string(500, 'x')});
  }
  outbox_.Append({.kind = EffectKind::kCommand, .topic = "command", .payload = "{}"});
  const auto all = TakeAll(outbox_);
  EXPECT_LT(all.size(), 10u);
  EXPECT_EQ(all.back().topic, "command");
  EXPECT_EQ(outbox_.dead_letters_dropped(), 101u - all.size());
}

// The effects thread drops what it holds itself; here it is away, and the memory is bounded even
// so.
TEST_F(OutboxTest, ToldToDropTheOldestItHoldsNobodyAndStaysNearItsBound) {
  Outbox outbox(8'000, parker_, WhenFull::kDropOldest);
  for (uint64_t i = 1; i <= 100; ++i)
    outbox.Append({.id = {i, 0}, .topic = "t", .payload = std::string(451, 'x')});  // 500 bytes
  EXPECT_FALSE(outbox.is_over());
  EXPECT_TRUE(outbox.has_recovered());
  EXPECT_TRUE(outbox.must_drop());
  EXPECT_LE(outbox.bytes(), 9'000u + 500u);
  EXPECT_EQ(outbox.effects() + outbox.dropped(), 100u);
  const std::vector<std::byte> waiting = outbox.Waiting();
  BatchReader reader(waiting);
  Effect first;
  size_t bytes = 0;
  ASSERT_TRUE(reader.Next(first, bytes));
  EXPECT_EQ(first.id.lsn, outbox.dropped() + 1);
  const auto all = TakeAll(outbox);
  EXPECT_EQ(all.front().id.lsn, outbox.dropped() + 1);
  EXPECT_EQ(all.back().id.lsn, 100u);
  EXPECT_EQ(all.size() + outbox.dropped(), 100u);
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST_F(OutboxTest, SeveralThreadsAppendAndEachKeepsItsOrder) {
  constexpr uint64_t kEach = 5'000;
  std::vector<std::jthread> threads;
  for (uint64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < kEach; ++i) {
        outbox_.Append({.id = {thread, static_cast<uint32_t>(i)}, .topic = "t", .payload = "p"});
        outbox_.Flush();
      }
    });
  }
  std::vector<uint32_t> next(3, 0);
  for (size_t seen = 0; seen < 3 * kEach;) {
    for (const Kept& kept : TakeAll(outbox_)) {
      ASSERT_EQ(kept.id.ordinal, next[kept.id.lsn]++);
      ++seen;
    }
  }
}

}  // namespace
}  // namespace gemel::effects
