#include "gateway/effects/webhook_outbox.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::effects {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const HttpAnswer kOk{.status = 200, .failure = {}};
const HttpAnswer kRefused{.status = 0, .failure = "connection refused"};

HttpAnswer Said(int status, seconds retry_after = seconds(0)) {
  return {.status = status, .failure = {}, .retry_after = retry_after};
}

class WebhookOutboxTest : public ::testing::Test {
 protected:
  static WebhookOutboxOptions Options() {
    return {.bytes_max = 64 * 1'024,
            .in_flight_max = 4,
            .retry_min = seconds(1),
            .retry_max = seconds(60),
            .seed = 1};
  }
  void Append(uint64_t twin, Lsn lsn, Duration lifetime = hours(1)) {
    outbox_.Append({.id = {lsn, 0},
                    .kind = EffectKind::kAlert,
                    .key_hash = twin,
                    .lifetime = lifetime,
                    .payload = "payload"});
  }
  // LSNs of what may be tried now, all on their way then.
  std::vector<Lsn> Take() {
    std::vector<Lsn> lsns;
    while (const auto attempt = outbox_.Next()) {
      lsns.push_back(attempt->effect->effect.id.lsn);
      on_their_way_[lsns.back()] = attempt->number;
    }
    return lsns;
  }
  void Finish(Lsn lsn, const HttpAnswer& answer) { outbox_.Finish(on_their_way_.at(lsn), answer); }
  // What has ended, as "lsn outcome"; recorded then.
  std::vector<std::string> Ended() {
    std::vector<std::string> all;
    outbox_.Report([&](std::span<const EndedEffect> ended) {
      for (const EndedEffect& one : ended)
        all.push_back(std::to_string(one.id.lsn) + " " + std::string(OutcomeName(one.outcome)));
      return true;
    });
    return all;
  }
  // Lets as much time pass as the outbox wants to wait.
  void AwaitNext() {
    const auto wait = outbox_.Wait();
    ASSERT_TRUE(wait.has_value());
    clock_.Advance(std::chrono::ceil<Duration>(*wait));
  }

  ManualClock clock_{Time{seconds{1'000}}};
  WebhookOutbox outbox_{"pager", Options(), clock_};
  std::map<Lsn, uint64_t> on_their_way_;
};

TEST_F(WebhookOutboxTest, OfOneTwinOneIsOnItsWayAtATimeAndInOrder) {
  for (Lsn lsn = 1; lsn <= 3; ++lsn) Append(7, lsn);
  Append(8, 4);
  EXPECT_THAT(Take(), ElementsAre(1, 4));
  Finish(4, kOk);
  EXPECT_THAT(Take(), IsEmpty());
  Finish(1, kOk);
  EXPECT_THAT(Take(), ElementsAre(2));
  Finish(2, Said(400));  // whatever the end of the one before
  EXPECT_THAT(Take(), ElementsAre(3));
}

TEST_F(WebhookOutboxTest, NoMoreThanAllowedAreOnTheirWay) {
  for (Lsn lsn = 1; lsn <= 10; ++lsn) Append(lsn, lsn);
  EXPECT_THAT(Take(), ElementsAre(1, 2, 3, 4));
  Finish(2, kOk);
  EXPECT_THAT(Take(), ElementsAre(5));
}

TEST_F(WebhookOutboxTest, TheAnswerDecidesHowItEnds) {
  struct Case {
    int status;
    const char* outcome;  // empty: it is tried again
  };
  Lsn lsn = 0;
  for (const auto& [status, outcome] : {Case{200, "delivered"},
                                        {204, "delivered"},
                                        {301, "failed"},
                                        {302, "failed"},
                                        {400, "failed"},
                                        {401, "failed"},
                                        {404, "failed"},
                                        {410, "failed"},
                                        {408, ""},
                                        {429, ""},
                                        {500, ""},
                                        {503, ""},
                                        {0, ""}}) {
    Append(1'000, ++lsn);
    ASSERT_THAT(Take(), ElementsAre(lsn)) << status;
    Finish(lsn, Said(status));
    const std::string ended = std::to_string(lsn) + " " + outcome;
    if (*outcome != '\0') {
      EXPECT_THAT(Ended(), ElementsAre(ended)) << status;
      continue;
    }
    EXPECT_THAT(Ended(), IsEmpty()) << status;
    EXPECT_EQ(outbox_.effects(), 1u) << status;
    AwaitNext();
    ASSERT_THAT(Take(), ElementsAre(lsn)) << status;
    Finish(lsn, kOk);
    Ended();
  }
  EXPECT_EQ(outbox_.ended(EffectOutcome::kFailed), 6u);
  EXPECT_EQ(outbox_.retries(), 5u);
}

TEST_F(WebhookOutboxTest, ARetryWaitsLongerEachTimeUpToItsMost) {
  Append(1, 1);
  milliseconds most(1'000);
  for (int attempt = 0; attempt < 10; ++attempt) {
    ASSERT_THAT(Take(), ElementsAre(1));
    Finish(1, kRefused);
    ASSERT_THAT(Take(), IsEmpty());
    const auto wait = *outbox_.Wait();
    EXPECT_GT(wait, most / 2 - milliseconds(1)) << attempt;
    EXPECT_LE(wait, most) << attempt;
    AwaitNext();
    most = std::min(2 * most, milliseconds(60'000));
  }
}

TEST_F(WebhookOutboxTest, OneThatAlwaysFailsDelaysItsOwnTwinOnly) {
  Append(1, 1);
  Append(1, 2);
  for (Lsn lsn = 10; lsn < 20; ++lsn) {
    ASSERT_THAT(Take(), testing::Contains(lsn == 10 ? 1 : lsn - 1)) << lsn;
    if (lsn == 10) Finish(1, Said(500));
    if (lsn > 10) Finish(lsn - 1, kOk);
    Append(lsn, lsn);
  }
  EXPECT_EQ(outbox_.ended(EffectOutcome::kDelivered), 9u);
  EXPECT_EQ(outbox_.effects(), 9u + 3u);
}

TEST_F(WebhookOutboxTest, AWebhookThatKeepsFailingIsTriedWithOneAtATimeAndMoreRarely) {
  for (Lsn lsn = 1; lsn <= 10; ++lsn) Append(lsn, lsn);
  for (const Lsn lsn : Take()) Finish(lsn, kRefused);
  EXPECT_THAT(Take(), IsEmpty()) << "six others wait, and it would refuse them as well";
  AwaitNext();
  const auto probe = Take();
  ASSERT_EQ(probe.size(), 1u);
  Finish(probe[0], kRefused);
  EXPECT_GT(*outbox_.Wait(), milliseconds(0));
  AwaitNext();
  const auto second = Take();
  ASSERT_EQ(second.size(), 1u);
  Finish(second[0], kOk);
  EXPECT_EQ(Take().size(), 4u) << "it answers again";
}

TEST_F(WebhookOutboxTest, RetryAfterIsHonouredForTheWholeWebhookButNotForEver) {
  Append(1, 1);
  Append(2, 2);
  ASSERT_THAT(Take(), ElementsAre(1, 2));
  Finish(1, Said(429, seconds(100)));
  Finish(2, kOk);
  Append(3, 3, hours(3));
  EXPECT_EQ(*outbox_.Wait(), seconds(100));
  clock_.Advance(seconds(99));
  EXPECT_THAT(Take(), IsEmpty());
  clock_.Advance(seconds(1));
  EXPECT_EQ(Take().size(), 2u);
  Finish(3, Said(503, seconds(1'000'000)));
  clock_.Advance(hours(1) - seconds(1));
  EXPECT_THAT(Take(), IsEmpty());
  clock_.Advance(seconds(1));
  EXPECT_THAT(Take(), ElementsAre(3));
}

TEST_F(WebhookOutboxTest, WhatIsNotDeliveredInTimeExpires) {
  Append(1, 1, seconds(10));
  Append(1, 2, seconds(20));
  Append(2, 3, seconds(10));
  ASSERT_THAT(Take(), ElementsAre(1, 3));
  Finish(1, kRefused);
  clock_.Advance(seconds(10));
  EXPECT_THAT(Take(), ElementsAre(2));
  EXPECT_THAT(Ended(), ElementsAre("1 expired")) << "3 is on its way, and may still arrive";
  Finish(3, kRefused);
  EXPECT_THAT(Ended(), ElementsAre("3 expired"));
  Finish(2, kOk);
  EXPECT_THAT(Ended(), ElementsAre("2 delivered"));
  EXPECT_EQ(outbox_.effects(), 0u);
  EXPECT_EQ(outbox_.bytes(), 0u);
}

TEST_F(WebhookOutboxTest, OneExpiresWhileItsWebhookIsLeftAlone) {
  Append(1, 1, seconds(10));
  Append(2, 2, hours(1));
  ASSERT_THAT(Take(), ElementsAre(1, 2));
  Finish(2, Said(429, seconds(1'000)));
  Finish(1, kRefused);
  EXPECT_EQ(*outbox_.Wait(), seconds(10));
  AwaitNext();
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_THAT(Ended(), ElementsAre("1 expired"));
}

TEST_F(WebhookOutboxTest, WhatHasEndedWaitsUntilItIsRecorded) {
  Append(1, 1);
  ASSERT_THAT(Take(), ElementsAre(1));
  Finish(1, kOk);
  outbox_.Report([](auto) { return false; });
  EXPECT_EQ(outbox_.Waiting().size(), 1u);
  EXPECT_EQ(outbox_.effects(), 1u);
  EXPECT_THAT(Take(), IsEmpty()) << "it is not tried again";
  EXPECT_THAT(Ended(), ElementsAre("1 delivered"));
  EXPECT_THAT(outbox_.Waiting(), IsEmpty());
  EXPECT_THAT(Ended(), IsEmpty());
}

TEST_F(WebhookOutboxTest, HeldItTakesWhateverComesAndSaysThatItIsOver) {
  Lsn lsn = 0;
  while (!outbox_.is_over()) {
    ++lsn;
    Append(lsn, lsn);
  }
  EXPECT_FALSE(outbox_.has_recovered());
  Append(1, ++lsn);
  EXPECT_EQ(outbox_.effects(), lsn) << "a shard is never held, and nothing is dropped";
  while (!outbox_.has_recovered()) {
    for (const Lsn one : Take()) Finish(one, kOk);
    Ended();
  }
  EXPECT_LE(outbox_.bytes(), Options().bytes_max / 2);
}

TEST_F(WebhookOutboxTest, ToldToDropItDropsTheOldestThatIsNotOnItsWay) {
  WebhookOutboxOptions options = Options();
  options.when_full = WhenFull::kDropOldest;
  options.bytes_max = 5'300;  // ten of them
  WebhookOutbox outbox("pager", options, clock_);
  const auto append = [&](Lsn lsn) {
    outbox.Append({.id = {lsn, 0}, .key_hash = 1, .lifetime = hours(1), .payload = "payload"});
  };
  for (Lsn lsn = 1; lsn <= 10; ++lsn) append(lsn);
  const auto first = outbox.Next();
  ASSERT_EQ(first->effect->effect.id.lsn, 1u);
  append(11);
  append(12);
  EXPECT_EQ(outbox.effects(), 10u);
  EXPECT_LE(outbox.bytes(), options.bytes_max);
  EXPECT_FALSE(outbox.is_over());
  EXPECT_EQ(outbox.ended(EffectOutcome::kDropped), 2u);
  std::vector<Lsn> waiting;
  for (const auto& effect : outbox.Waiting()) waiting.push_back(effect->effect.id.lsn);
  EXPECT_THAT(waiting, ElementsAre(1, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  std::vector<EndedEffect> ended;
  outbox.Report([&](std::span<const EndedEffect> reported) {
    ended.assign(reported.begin(), reported.end());
    return true;
  });
  EXPECT_THAT(ended, ElementsAre(EndedEffect{{2, 0}, EffectOutcome::kDropped},
                                 EndedEffect{{3, 0}, EffectOutcome::kDropped}));
  outbox.Finish(first->number, kOk);
  EXPECT_EQ(outbox.Next()->effect->effect.id.lsn, 4u);
}

TEST_F(WebhookOutboxTest, SeveralThreadsAppendWhileAnotherOneSends) {
  constexpr Lsn kEach = 2'000;
  std::vector<std::jthread> threads;
  for (uint64_t twin = 1; twin <= 3; ++twin) {
    threads.emplace_back([this, twin] {
      for (Lsn lsn = 1; lsn <= kEach; ++lsn) Append(twin, lsn);
    });
  }
  std::map<uint64_t, Lsn> last;
  uint64_t seen = 0;
  while (seen < 3 * kEach) {
    while (const auto attempt = outbox_.Next()) {
      const Effect& effect = attempt->effect->effect;
      ASSERT_EQ(effect.id.lsn, ++last[effect.key_hash]);
      outbox_.Finish(attempt->number, kOk);
      ++seen;
    }
    Ended();
  }
  Ended();
  EXPECT_EQ(outbox_.effects(), 0u);
  EXPECT_EQ(outbox_.bytes(), 0u);
}

}  // namespace
}  // namespace gemel::effects
