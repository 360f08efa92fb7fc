#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/effects/sender_rig.h"

namespace gemel::effects {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST_P(SenderTest, SendsInOrderAndForgetsWhatIsAcknowledged) {
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

TEST_P(SenderTest, SaysOnlineWhenItConnectsAndOfflineWhenItEnds) {
  sender_.Start();
  ASSERT_TRUE(Await(1));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  const auto statuses = Statuses();
  EXPECT_EQ(statuses.front(), R"({"state":"online"})");
  EXPECT_EQ(statuses.back(), "offline");
  EXPECT_TRUE(publisher_.published().back().is_retained);
  EXPECT_EQ(publisher_.disconnects(), 1u);
}

TEST_P(SenderTest, AfterALostConnectionWhatIsUnacknowledgedGoesFirstInItsOrder) {
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

TEST_P(SenderTest, ABrokerThatIsAwayAtFirstDelaysEffectsAndLosesNone) {
  publisher_.SetReachable(false);
  sender_.Start();
  for (int i = 0; i < 10; ++i) Append("t" + std::to_string(i));
  publisher_.SetReachable(true);
  ASSERT_TRUE(Await(11));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published().size(), 10u);
}

TEST_P(SenderTest, AnExpiredCommandIsNeverSent) {
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

TEST_P(SenderTest, TheBrokerLearnsHowLongACommandIsWorthSomething) {
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

TEST_P(SenderTest, AFullWindowDelaysAndLosesNothing) {
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

TEST_P(SenderTest, AnEffectThatTheBrokerCanNeverTakeHoldsNoOtherBack) {
  publisher_.SetInvalid("bad");
  sender_.Start();
  for (const char* topic : {"a", "bad", "b"}) Append(topic);
  ASSERT_TRUE(Await(3));
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sender_.stats().unsendable.value(), 1u);
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_P(SenderTest, AWallClockThatJumpsNeitherExpiresACommandNorKeepsItAlive) {
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
TEST_P(SenderTest, ConnectionsThatDoNotLastAreTriedForEverMoreRarely) {
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

TEST_P(SenderTest, EvenWithAFullWindowAtTheEndItSaysOffline) {
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

TEST_P(SenderTest, WhatIsNotAcknowledgedInTimeIsSaidToBeLeft) {
  publisher_.SetAcknowledging(false);
  sender_.Start();
  Append("t");
  ASSERT_TRUE(Await(2));
  EXPECT_FALSE(sender_.DrainAndStop(milliseconds(50)));
}

TEST_P(SenderTest, ANewStatusReplacesTheOldOne) {
  sender_.Start();
  ASSERT_TRUE(Await(1));
  sender_.SetStatus("second");
  ASSERT_TRUE(Await(2));
  EXPECT_EQ(Statuses().back(), "second");
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
}

// Notes what was published while it was asked, when the effects thread sleeps.
class Watcher final : public DirectSender {
 public:
  Watcher(Sender& sender, const mqtt::FakePublisher& publisher)
      : sender_(sender), publisher_(publisher) {}
  bool SendNow() noexcept override {
    const size_t before = publisher_.published().size();
    const bool is_all = sender_.SendNow();
    sent_ += publisher_.published().size() - before;
    return is_all;
  }
  size_t sent() const { return sent_; }

 private:
  Sender& sender_;
  const mqtt::FakePublisher& publisher_;
  size_t sent_ = 0;
};

TEST_P(SenderTest, WhoDecidesAnEffectSendsItWhereLittleIsOnItsWay) {
  Watcher watcher(sender_, publisher_);
  outbox_.SetDirect(&watcher);
  Append("early");
  EXPECT_EQ(watcher.sent(), 0u) << "there is no connection";
  publisher_.SetAcknowledging(false);
  sender_.Start();
  ASSERT_TRUE(Await(2));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  // The effects thread may be about to rest.
  while (watcher.sent() == 0 && std::chrono::steady_clock::now() < until) {
    Append("small");
    ASSERT_TRUE(AwaitTaken());
  }
  EXPECT_GT(watcher.sent(), 0u);
  // Too much is on its way: the effects thread sends it.
  outbox_.Append({.id = {++lsn_, 0},
                  .kind = EffectKind::kCommand,
                  .topic = "large",
                  .payload = std::string(64 * 1'024, 'x')});
  const size_t sent = watcher.sent();
  outbox_.Flush();
  EXPECT_EQ(watcher.sent(), sent);
  ASSERT_TRUE(AwaitTaken());
  publisher_.Acknowledge();
  publisher_.SetAcknowledging(true);
  EXPECT_TRUE(sender_.DrainAndStop(kPatience));
  EXPECT_EQ(Published().back(), "large");
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_P(SenderTest, WhatIsNotAcknowledgedCanBeCopiedWhereverItIs) {
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
                   .payload = std::string(457, 'x')});
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

INSTANTIATE_TEST_SUITE_P(ByTheEffectsThread, SenderTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(ByWhoDecides, SenderTest, testing::Values(true));

}  // namespace
}  // namespace gemel::effects
