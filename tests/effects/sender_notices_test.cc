#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/effects/sender.h"
#include "gateway/mqtt/fake.h"

// Notices of alerts beyond their rates.
namespace gemel::effects {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr milliseconds kNoticePatience{20'000};
constexpr uint64_t kTwin = 7;
constexpr uint64_t kOther = 8;

class SenderNoticesTest : public ::testing::Test {
 protected:
  void SetUp() override { sender_.Start(); }

  void Append(const std::string& topic, const std::string& payload, bool is_retained, bool has_more,
              uint64_t twin) {
    outbox_.Append({.id = {has_more ? lsn_ + 1 : ++lsn_, 0},
                    .kind = EffectKind::kAlert,
                    .is_retained = is_retained,
                    .has_more = has_more,
                    .key_hash = twin,
                    .topic = topic,
                    .payload = payload});
    outbox_.Flush();
  }
  void Raise(const std::string& topic, const std::string& payload, uint64_t twin = kTwin) {
    Append(topic, payload, true, false, twin);
  }
  void Clear(const std::string& topic, uint64_t twin = kTwin) {
    Append(topic, "over", false, true, twin);
    Append(topic, "", true, false, twin);
  }
  // "topic payload" of each that was published, once so many were, and no more within a moment in
  // which they would have been.
  std::vector<std::string> Published(size_t count) {
    EXPECT_TRUE(publisher_.AwaitPublished(count, kNoticePatience));
    std::vector<std::string> all;
    for (const mqtt::Outbound& message : publisher_.published())
      all.push_back(message.topic + " " + message.payload);
    return all;
  }
  std::string RetainedOn(const std::string& topic) {
    std::string last;
    for (const mqtt::Outbound& message : publisher_.published()) {
      if (message.topic == topic && message.is_retained) last = message.payload;
    }
    return last;
  }
  bool AwaitDone(size_t count) {
    const auto until = std::chrono::steady_clock::now() + kNoticePatience;
    while (std::chrono::steady_clock::now() < until) {
      {
        const std::lock_guard lock(mutex_);
        if (done_.size() >= count) return true;
      }
      std::this_thread::yield();
    }
    return false;
  }

  ManualClock clock_{Time{seconds{1'000}}};
  Parker parker_;
  Outbox outbox_{1 << 20, parker_};
  mqtt::FakePublisher publisher_;
  std::mutex mutex_;
  std::set<Lsn> done_;
  Lsn lsn_ = 0;
  Sender sender_{outbox_, parker_, publisher_, clock_,
                 SenderOptions{.models = 1,
                               .notices = {.per_twin = 2},
                               .reconnect_min = milliseconds(1),
                               .reconnect_max = milliseconds(5),
                               .on_done = [this](std::span<const EffectId> effects) {
                                 const std::lock_guard lock(mutex_);
                                 for (const EffectId& id : effects) done_.insert(id.lsn);
                                 return true;
                               }}};
};

TEST_F(SenderNoticesTest, BeyondTheRateTheNewestOfATopicWaits) {
  for (const char* payload : {"1", "2", "3", "4", "5"}) Raise("hot", payload);
  Raise("cold", "6", kOther);
  EXPECT_THAT(Published(3), ElementsAre("hot 1", "hot 2", "cold 6"));
  ASSERT_TRUE(AwaitDone(5)) << "what is left out is done with";
  ASSERT_EQ(sender_.Unacknowledged().size(), 1u) << "and a snapshot would hold it";
  EXPECT_EQ(sender_.Unacknowledged()[0].payload, "5");
  clock_.Advance(seconds(30));
  EXPECT_THAT(Published(4), ElementsAre("hot 1", "hot 2", "cold 6", "hot 5"));
  EXPECT_TRUE(AwaitDone(6));
  EXPECT_EQ(sender_.stats().notices_limited.value(), 2u);
  EXPECT_TRUE(sender_.DrainAndStop(kNoticePatience));
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderNoticesTest, ATopicIsEmptiedAtOnceAndWhatWaitedForItIsLeftOut) {
  Raise("hot", "1");
  Raise("hot", "2");
  Raise("hot", "3");
  Clear("hot");
  EXPECT_THAT(Published(3), ElementsAre("hot 1", "hot 2", "hot "));
  clock_.Advance(seconds(600));
  Raise("hot", "4");
  EXPECT_THAT(Published(4), ElementsAre("hot 1", "hot 2", "hot ", "hot 4"));
  EXPECT_TRUE(AwaitDone(5));
  EXPECT_EQ(sender_.stats().notices_limited.value(), 2u);
  EXPECT_TRUE(sender_.DrainAndStop(kNoticePatience));
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderNoticesTest, AFlappingAlertEndsUpAsItIs) {
  for (int i = 0; i < 100; ++i) {
    Raise("hot", "on " + std::to_string(i));
    Clear("hot");
  }
  Raise("hot", "last");
  EXPECT_TRUE(AwaitDone(200));
  EXPECT_EQ(RetainedOn("hot"), "");
  EXPECT_TRUE(sender_.DrainAndStop(kNoticePatience)) << "at the end it is not held back any more";
  EXPECT_EQ(RetainedOn("hot"), "last");
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderNoticesTest, WhatWaitsFillsAQuarterOfTheOutboxAtMost) {
  // Of 10,000 bytes and a little more each: 26 are below a quarter of a MiB, 27 above.
  const std::string payload(10'000, 'x');
  for (int i = 0; i < 60; ++i) Raise("hot/" + std::to_string(i), payload);
  EXPECT_TRUE(AwaitDone(34)) << "two by the rate, and the oldest of the others";
  EXPECT_EQ(outbox_.effects(), 26u);
  EXPECT_LE(outbox_.bytes(), outbox_.bytes_max() / 4);
  EXPECT_EQ(sender_.stats().notices_limited.value(), 0u);
  Clear("hot/59");
  EXPECT_TRUE(AwaitDone(36)) << "what waited for the topic, and the end";
  EXPECT_TRUE(sender_.DrainAndStop(kNoticePatience));
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderNoticesTest, CommandsAreNoNotices) {
  for (int i = 0; i < 10; ++i) {
    outbox_.Append({.id = {++lsn_, 0},
                    .kind = EffectKind::kCommand,
                    .key_hash = kTwin,
                    .topic = "do",
                    .payload = "{}"});
  }
  outbox_.Flush();
  EXPECT_EQ(Published(10).size(), 10u);
  EXPECT_TRUE(sender_.DrainAndStop(kNoticePatience));
}

}  // namespace
}  // namespace gemel::effects
