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

// A sender that reports what is done with.
class SenderReportTest : public SenderTest {
 protected:
  void SetUp() override {
    SenderTest::SetUp();
    if (GetParam()) outbox_.SetDirect(&reporting_);
  }
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

TEST_P(SenderReportTest, WhatTheBrokerHasAcknowledgedIsReportedOnceAndInOrder) {
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

TEST_P(SenderReportTest, AnEffectOfTwoMessagesIsDoneWithWithItsLastOne) {
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

TEST_P(SenderReportTest, BothMessagesAreOneReport) {
  reporting_.Start();
  AppendAs(EffectKind::kAlert, "cleared", true);
  AppendMore("empty");
  Append("b");
  ASSERT_TRUE(Await(3));
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(2), ElementsAre(1, 2));
}

TEST_P(SenderReportTest, AReportThatIsRefusedComesAgain) {
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

TEST_P(SenderReportTest, WhatIsGivenUpIsDoneWith) {
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

TEST_P(SenderReportTest, ADeadLetterIsNeverReported) {
  reporting_.Start();
  AppendAs(EffectKind::kDeadLetter, "dead");
  Append("a");
  AppendAs(EffectKind::kDeadLetter, "dead");
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  EXPECT_THAT(AwaitReported(1), ElementsAre(2));
  EXPECT_EQ(Published().size(), 3u);
}

TEST_P(SenderReportTest, WhatIsSentAgainAfterALossIsReportedOnce) {
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

TEST_P(SenderReportTest, AtTheEndTheRestIsReportedInSharesThatFitIntoARecord) {
  constexpr size_t kEffects = 5'000;
  for (size_t i = 0; i < kEffects; ++i) Append("t");
  reporting_.Start();
  EXPECT_TRUE(reporting_.DrainAndStop(kPatience));
  const std::vector<Lsn> reported = AwaitReported(kEffects);
  ASSERT_EQ(reported.size(), kEffects);
  for (size_t i = 0; i < kEffects; ++i) ASSERT_EQ(reported[i], i + 1);
  for (const size_t size : reports_) EXPECT_LE(size, 1'024u);
}

TEST_P(SenderReportTest, WhatWasGivenUpBehindAnUnacknowledgedOneIsReportedAfterALossToo) {
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

INSTANTIATE_TEST_SUITE_P(ByTheEffectsThread, SenderReportTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(ByWhoDecides, SenderReportTest, testing::Values(true));

}  // namespace
}  // namespace gemel::effects
