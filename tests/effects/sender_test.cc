#include "gateway/effects/sender.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/fake.h"

namespace gemel::effects {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

constexpr milliseconds kPatience{20'000};

class SenderTest : public ::testing::Test {
 protected:
  void SetUp() override { sender_.SetStatus(R"({"state":"online"})"); }
  void Append(const std::string& topic, Duration lifetime = Duration{0}) {
    outbox_.Append({.id = {++lsn_, 0},
                    .kind = EffectKind::kCommand,
                    .lifetime = lifetime,
                    .topic = topic,
                    .payload = "{}"});
    outbox_.Flush();
  }
  // Topics that were published, without the status.
  std::vector<std::string> Published() const {
    std::vector<std::string> topics;
    for (const mqtt::Outbound& message : publisher_.published()) {
      if (message.topic != "status") topics.push_back(message.topic);
    }
    return topics;
  }
  std::vector<std::string> Statuses() const {
    std::vector<std::string> payloads;
    for (const mqtt::Outbound& message : publisher_.published()) {
      if (message.topic == "status") payloads.push_back(message.payload);
    }
    return payloads;
  }
  // Until the effects thread has what was appended.
  bool AwaitTaken() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!outbox_.is_empty() && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    return outbox_.is_empty();
  }
  bool Await(size_t count) { return publisher_.AwaitPublished(count, kPatience); }

  ManualClock clock_{Time{seconds{1'000}}};
  Parker parker_;
  Outbox outbox_{1 << 20, parker_};
  mqtt::FakePublisher publisher_;
  Sender sender_{outbox_, parker_, publisher_, clock_,
                 SenderOptions{.status_topic = "status",
                               .offline_status = "offline",
                               .models = 1,
                               .reconnect_min = milliseconds(1),
                               .reconnect_max = milliseconds(5)}};
  Lsn lsn_ = 0;
};

TEST_F(SenderTest, SendsInOrderAndForgetsWhatIsAcknowledged) {
  sender_.Start();
  for (int i = 0; i < 100; ++i) Append("t" + std::to_string(i));
  ASSERT_TRUE(Await(101));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  const auto topics = Published();
  ASSERT_EQ(topics.size(), 100u);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(topics[i], "t" + std::to_string(i));
  EXPECT_EQ(outbox_.bytes(), 0u);
  EXPECT_EQ(outbox_.effects(), 0u);
  EXPECT_EQ(sender_.stats().commands[0].delivered.value(), 100u);
}

TEST_F(SenderTest, SaysOnlineWhenItConnectsAndOfflineWhenItEnds) {
  sender_.Start();
  ASSERT_TRUE(Await(1));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  const auto statuses = Statuses();
  EXPECT_EQ(statuses.front(), R"({"state":"online"})");
  EXPECT_EQ(statuses.back(), "offline");
  EXPECT_TRUE(publisher_.published().back().is_retained);
  EXPECT_EQ(publisher_.disconnects(), 1u);
}

TEST_F(SenderTest, AfterALostConnectionWhatIsUnacknowledgedGoesFirstInItsOrder) {
  publisher_.SetAcknowledging(false);
  sender_.Start();
  for (const char* topic : {"a", "b", "c"}) Append(topic);
  ASSERT_TRUE(Await(4));
  publisher_.Acknowledge(2);  // the status and a
  publisher_.SetReachable(false);
  Append("d");
  publisher_.SetAcknowledging(true);
  publisher_.SetReachable(true);
  // status a b c, then again: status (or not yet) b c d.
  ASSERT_TRUE(Await(8));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  const auto topics = Published();
  const std::vector<std::string> first(topics.begin(), topics.begin() + 3);
  EXPECT_EQ(first, (std::vector<std::string>{"a", "b", "c"}));
  const std::vector<std::string> last(topics.end() - 3, topics.end());
  EXPECT_EQ(last, (std::vector<std::string>{"b", "c", "d"}));
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderTest, ABrokerThatIsAwayAtFirstDelaysEffectsAndLosesNone) {
  publisher_.SetReachable(false);
  sender_.Start();
  for (int i = 0; i < 10; ++i) Append("t" + std::to_string(i));
  publisher_.SetReachable(true);
  ASSERT_TRUE(Await(11));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published().size(), 10u);
}

TEST_F(SenderTest, AnExpiredCommandIsNeverSent) {
  publisher_.SetReachable(false);
  sender_.Start();
  Append("stale", seconds(5));
  Append("fresh", seconds(1'000));
  ASSERT_TRUE(AwaitTaken());
  clock_.Advance(seconds(10));
  publisher_.SetReachable(true);
  ASSERT_TRUE(Await(2));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), std::vector<std::string>{"fresh"});
  EXPECT_EQ(sender_.stats().commands[0].expired.value(), 1u);
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderTest, TheBrokerLearnsHowLongACommandIsWorthSomething) {
  sender_.Start();
  Append("t", seconds(30));
  ASSERT_TRUE(Await(2));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  for (const mqtt::Outbound& message : publisher_.published()) {
    if (message.topic == "t") {
      EXPECT_EQ(message.expiry, seconds(30));
    }
  }
}

TEST_F(SenderTest, AFullWindowDelaysAndLosesNothing) {
  publisher_.SetWindow(3);
  publisher_.SetAcknowledging(false);
  sender_.Start();
  for (int i = 0; i < 20; ++i) Append("t" + std::to_string(i));
  ASSERT_TRUE(Await(3));
  publisher_.SetAcknowledging(true);
  publisher_.Acknowledge();
  ASSERT_TRUE(Await(21));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published().size(), 20u);
}

TEST_F(SenderTest, AnEffectThatTheBrokerCanNeverTakeHoldsNoOtherBack) {
  publisher_.SetInvalid("bad");
  sender_.Start();
  for (const char* topic : {"a", "bad", "b"}) Append(topic);
  ASSERT_TRUE(Await(3));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sender_.stats().unsendable.value(), 1u);
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(SenderTest, AWallClockThatJumpsNeitherExpiresACommandNorKeepsItAlive) {
  publisher_.SetReachable(false);
  sender_.Start();
  Append("fresh", seconds(60));
  ASSERT_TRUE(AwaitTaken());
  clock_.JumpTo(Time{seconds{100'000}});
  publisher_.SetReachable(true);
  ASSERT_TRUE(Await(2));
  publisher_.SetReachable(false);
  Append("stale", seconds(60));
  ASSERT_TRUE(AwaitTaken());
  clock_.Advance(seconds(61));
  clock_.JumpTo(Time{seconds{1}});
  publisher_.SetReachable(true);
  Append("last");
  ASSERT_TRUE(Await(4));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), (std::vector<std::string>{"fresh", "last"}));
}

// Two gateways with one client id throw each other out as fast as they connect.
TEST_F(SenderTest, ConnectionsThatDoNotLastAreTriedForEverMoreRarely) {
  publisher_.SetFlapping(true);
  Append("t");  // so that a loss is noticed at once
  Sender sender(outbox_, parker_, publisher_, clock_,
                SenderOptions{.status_topic = "status",
                              .models = 1,
                              .reconnect_min = milliseconds(1),
                              .reconnect_max = milliseconds(1'000)});
  const auto begin = std::chrono::steady_clock::now();
  sender.Start();
  while (publisher_.connects() < 8) std::this_thread::yield();
  // Between two of them lie more than half of 1, 2, 4, ... 64 ms.
  EXPECT_GT(std::chrono::steady_clock::now() - begin, milliseconds(127 / 2));
  publisher_.SetFlapping(false);
  ASSERT_TRUE(Await(1));
  EXPECT_TRUE(sender.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), std::vector<std::string>{"t"});
}

TEST_F(SenderTest, EvenWithAFullWindowAtTheEndItSaysOffline) {
  publisher_.SetWindow(2);
  publisher_.SetAcknowledging(false);
  sender_.Start();
  Append("a");
  ASSERT_TRUE(Await(2));
  std::thread broker([this] {
    // The drain has given up by now, or not: either way there is room for the last word.
    publisher_.SetAcknowledging(true);
    publisher_.Acknowledge();
  });
  sender_.DrainAndStop(milliseconds(0));
  broker.join();
  EXPECT_EQ(Statuses().back(), "offline");
}

TEST_F(SenderTest, WhatIsNotAcknowledgedInTimeIsSaidToBeLeft) {
  publisher_.SetAcknowledging(false);
  sender_.Start();
  Append("t");
  ASSERT_TRUE(Await(2));
  EXPECT_FALSE(sender_.DrainAndStop(milliseconds(50)));
}

TEST_F(SenderTest, ANewStatusReplacesTheOldOne) {
  sender_.Start();
  ASSERT_TRUE(Await(1));
  sender_.SetStatus("second");
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(Statuses().back(), "second");
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
}

// A sender that reports what is done with.
class SenderReportTest : public SenderTest {
 protected:
  // The effects thread's.
  bool Take(std::span<const EffectId> effects) {
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
    if (refusals_ > 0) {
      --refusals_;
      return false;
    }
    reports_.push_back(effects.size());
    for (const EffectId& effect : effects) reported_.push_back(effect.lsn);
    return true;
  }
  // LSNs of what was reported, in order, once there are so many.
  std::vector<Lsn> AwaitReported(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return reported_.size() >= count; });
    return reported_;
  }
  void AppendAs(EffectKind kind, const std::string& topic, bool has_more = false) {
    outbox_.Append(
        {.id = {++lsn_, 0}, .kind = kind, .has_more = has_more, .topic = topic, .payload = "{}"});
    outbox_.Flush();
  }
  // A message more of the last effect.
  void AppendMore(const std::string& topic) {
    --lsn_;
    AppendAs(EffectKind::kAlert, topic);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Lsn> reported_;
  std::vector<size_t> reports_;
  int refusals_ = 0;
  Sender reporting_{outbox_, parker_, publisher_, clock_,
                    SenderOptions{.status_topic = "status",
                                  .offline_status = "offline",
                                  .models = 1,
                                  .reconnect_min = milliseconds(1),
                                  .reconnect_max = milliseconds(5),
                                  .on_done = [this](auto effects) { return Take(effects); }}};
};

TEST_F(SenderReportTest, WhatTheBrokerHasAcknowledgedIsReportedOnceAndInOrder) {
  publisher_.SetAcknowledging(false);
  reporting_.Start();
  for (const char* topic : {"a", "b", "c"}) Append(topic);
  ASSERT_TRUE(Await(3));
  publisher_.Acknowledge(2);
  EXPECT_THAT(AwaitReported(2), ElementsAre(1, 2));
  publisher_.SetReachable(false);  // with c
  EXPECT_FALSE(reporting_.DrainAndStop(milliseconds(0)));
  EXPECT_THAT(AwaitReported(0), ElementsAre(1, 2));
}

TEST_F(SenderReportTest, AnEffectOfTwoMessagesIsDoneWithWithItsLastOne) {
  publisher_.SetAcknowledging(false);
  reporting_.Start();
  Append("a");
  AppendAs(EffectKind::kAlert, "cleared", true);
  AppendMore("empty");
  ASSERT_TRUE(Await(3));
  publisher_.Acknowledge(2);  // together, so both are known once the first one is
  EXPECT_THAT(AwaitReported(1), ElementsAre(1));
  publisher_.SetReachable(false);
  EXPECT_FALSE(reporting_.DrainAndStop(milliseconds(0)));
  EXPECT_THAT(AwaitReported(0), ElementsAre(1));
}

TEST_F(SenderReportTest, BothMessagesAreOneReport) {
  reporting_.Start();
  AppendAs(EffectKind::kAlert, "cleared", true);
  AppendMore("empty");
  Append("b");
  ASSERT_TRUE(Await(3));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(2), ElementsAre(1, 2));
}

TEST_F(SenderReportTest, AReportThatIsRefusedComesAgain) {
  refusals_ = 3;
  reporting_.Start();
  Append("a");
  Append("b");
  EXPECT_THAT(AwaitReported(2), ElementsAre(1, 2));
  Append("c");
  EXPECT_THAT(AwaitReported(3), ElementsAre(1, 2, 3));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(3), ElementsAre(1, 2, 3));
}

TEST_F(SenderReportTest, WhatIsGivenUpIsDoneWith) {
  publisher_.SetReachable(false);
  publisher_.SetInvalid("bad");
  reporting_.Start();
  Append("stale", seconds(5));
  Append("bad");
  Append("good");
  ASSERT_TRUE(AwaitTaken());
  clock_.Advance(seconds(10));
  publisher_.SetReachable(true);
  EXPECT_THAT(AwaitReported(3), ElementsAre(1, 2, 3));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), std::vector<std::string>{"good"});
}

TEST_F(SenderReportTest, ADeadLetterIsNeverReported) {
  reporting_.Start();
  AppendAs(EffectKind::kDeadLetter, "dead");
  Append("a");
  AppendAs(EffectKind::kDeadLetter, "dead");
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(1), ElementsAre(2));
  EXPECT_EQ(Published().size(), 3u);
}

TEST_F(SenderReportTest, WhatIsSentAgainAfterALossIsReportedOnce) {
  publisher_.SetAcknowledging(false);
  reporting_.Start();
  for (const char* topic : {"a", "b", "c"}) Append(topic);
  ASSERT_TRUE(Await(3));
  publisher_.Acknowledge(1);
  EXPECT_THAT(AwaitReported(1), ElementsAre(1));
  publisher_.SetReachable(false);
  publisher_.SetAcknowledging(true);
  publisher_.SetReachable(true);
  EXPECT_THAT(AwaitReported(3), ElementsAre(1, 2, 3));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(3), ElementsAre(1, 2, 3));
}

TEST_F(SenderReportTest, AtTheEndTheRestIsReportedInSharesThatFitIntoARecord) {
  constexpr size_t kEffects = 5'000;
  for (size_t i = 0; i < kEffects; ++i) Append("t");
  reporting_.Start();
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  const std::vector<Lsn> reported = AwaitReported(kEffects);
  ASSERT_EQ(reported.size(), kEffects);
  for (size_t i = 0; i < kEffects; ++i) ASSERT_EQ(reported[i], i + 1);
  for (const size_t size : reports_) EXPECT_LE(size, 1'024u);
}

TEST_F(SenderReportTest, WhatWasGivenUpBehindAnUnacknowledgedOneIsReportedAfterALossToo) {
  publisher_.SetAcknowledging(false);
  publisher_.SetInvalid("bad");
  reporting_.Start();
  for (const char* topic : {"a", "bad", "c"}) Append(topic);
  ASSERT_TRUE(Await(2));
  publisher_.SetReachable(false);
  publisher_.SetAcknowledging(true);
  publisher_.SetReachable(true);
  ASSERT_TRUE(Await(4));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(0), ElementsAre(1, 2, 3));
}

TEST_F(SenderTest, WhatIsNotAcknowledgedCanBeCopiedWhereverItIs) {
  publisher_.SetAcknowledging(false);
  sender_.Start();
  for (const char* topic : {"a", "b"}) Append(topic, seconds(30));
  ASSERT_TRUE(Await(3));
  publisher_.SetReachable(false);
  Append("c");
  outbox_.Append({.kind = EffectKind::kDeadLetter, .topic = "letter"});
  std::vector<std::string> topics;
  for (const OwnedEffect& effect : sender_.Unacknowledged()) topics.push_back(effect.topic);
  EXPECT_EQ(topics, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(sender_.Unacknowledged()[0].effect.lifetime, seconds(30));
  publisher_.SetAcknowledging(true);
  publisher_.SetReachable(true);
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_TRUE(sender_.Unacknowledged().empty());
}

// Which are on their way or wait, and are as good as acknowledged then.
TEST(SenderBoundTest, ToldToDropTheOldestItSendsTheNewestAndReportsTheOthersAsDone) {
  ManualClock clock{Time{seconds{1'000}}};
  Parker parker;
  Outbox outbox(5'000, parker, WhenFull::kDropOldest);
  mqtt::FakePublisher publisher;
  publisher.SetReachable(false);
  std::vector<Lsn> done;
  Sender sender(outbox, parker, publisher, clock,
                {.status_topic = "status",
                 .offline_status = "offline",
                 .models = 1,
                 .reconnect_min = milliseconds(1),
                 .reconnect_max = milliseconds(5),
                 .on_done = [&](std::span<const EffectId> effects) {
                   for (const EffectId& id : effects) done.push_back(id.lsn);
                   return true;
                 }});
  sender.Start();
  for (Lsn lsn = 1; lsn <= 100; ++lsn) {
    outbox.Append({.id = {lsn, 0},
                   .kind = EffectKind::kAlert,
                   .topic = std::to_string(lsn),
                   .payload = std::string(449, 'x')});
    outbox.Flush();
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!outbox.is_empty() && std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
  }
  publisher.SetReachable(true);
  EXPECT_TRUE(sender.DrainAndStop(kPatience));
  std::vector<std::string> topics;
  for (const mqtt::Outbound& message : publisher.published()) {
    if (message.topic != "status") topics.push_back(message.topic);
  }
  EXPECT_THAT(topics, ElementsAre("91", "92", "93", "94", "95", "96", "97", "98", "99", "100"));
  EXPECT_EQ(outbox.dropped(), 90u);
  EXPECT_EQ(outbox.bytes(), 0u);
  std::ranges::sort(done);
  ASSERT_EQ(done.size(), 100u);
  EXPECT_EQ(done.back(), 100u);
}

}  // namespace
}  // namespace gemel::effects
