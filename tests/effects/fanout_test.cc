#include "gateway/effects/fanout.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/model.h"

namespace gemel::effects {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;

class Collected final : public Sink {
 public:
  void Append(const Effect& effect) override { effects.emplace_back(effect); }
  void Flush() noexcept override { ++flushes; }

  std::vector<OwnedEffect> effects;
  int flushes = 0;
};

class FanoutTest : public ::testing::Test {
 protected:
  // Names of the sinks that get a message of an alert that has had these severities.
  std::vector<std::string> SinksOf(uint8_t severities, uint16_t model = 0) {
    to_.effects.clear();
    fanout_.Append(
        {.id = {5, 1}, .kind = EffectKind::kAlert, .model = model, .severities = severities});
    std::vector<std::string> sinks;
    for (const OwnedEffect& effect : to_.effects) sinks.push_back(effect.webhook);
    return sinks;
  }

  Collected to_;
  Fanout fanout_{to_,
                 {{.name = "all", .retry_for = hours(1)},
                  {.name = "bad",
                   .severities = SeverityBit(GEMEL_CRITICAL) | SeverityBit(GEMEL_MAJOR),
                   .retry_for = seconds(30)},
                  {.name = "bus", .models = {false, true}, .retry_for = hours(1)}}};
};

TEST_F(FanoutTest, AnAlertGoesToTheBrokerAndToEachWebhookThatWantsIt) {
  EXPECT_THAT(SinksOf(SeverityBit(GEMEL_MINOR)), ElementsAre("", "all"));
  EXPECT_THAT(SinksOf(SeverityBit(GEMEL_MAJOR)), ElementsAre("", "all", "bad"));
  EXPECT_THAT(SinksOf(SeverityBit(GEMEL_MINOR), 1), ElementsAre("", "all", "bus"));
}

TEST_F(FanoutTest, AnAlertThatWasBadIsToldToItsEnd) {
  const uint8_t both = SeverityBit(GEMEL_CRITICAL) | SeverityBit(GEMEL_INFO);
  EXPECT_THAT(SinksOf(both), ElementsAre("", "all", "bad"));
}

TEST_F(FanoutTest, CommandsDeadLettersAndWhatEmptiesATopicAreForTheBrokerAlone) {
  fanout_.Append({.kind = EffectKind::kCommand, .topic = "c"});
  fanout_.Append({.kind = EffectKind::kDeadLetter, .topic = "d"});
  fanout_.Append({.kind = EffectKind::kAlert, .is_retained = true, .topic = "a"});
  ASSERT_EQ(to_.effects.size(), 3u);
  for (const OwnedEffect& effect : to_.effects) EXPECT_EQ(effect.webhook, "");
}

TEST_F(FanoutTest, TheCopyHasTheIdAndThePayloadAndALifetimeOfItsOwn) {
  fanout_.Append({.id = {7, 2},
                  .kind = EffectKind::kAlert,
                  .has_more = true,
                  .severities = SeverityBit(GEMEL_MAJOR),
                  .key_hash = 99,
                  .decided = Time{seconds(4)},
                  .topic = "t",
                  .payload = "{}"});
  ASSERT_EQ(to_.effects.size(), 3u);
  EXPECT_EQ(to_.effects[0].view().has_more, true);
  EXPECT_EQ(to_.effects[0].view().topic, "t");
  EXPECT_EQ(to_.effects[0].view().lifetime, Duration{0});
  const OwnedEffect& bad = to_.effects[2];
  EXPECT_EQ(bad.webhook, "bad");
  EXPECT_EQ(bad.view().id, (EffectId{7, 2}));
  EXPECT_EQ(bad.view().payload, "{}");
  EXPECT_EQ(bad.view().key_hash, 99u);
  EXPECT_EQ(bad.view().decided, Time{seconds(4)});
  EXPECT_EQ(bad.view().lifetime, seconds(30));
  EXPECT_FALSE(bad.view().has_more);
}

TEST_F(FanoutTest, FlushIsHandedOn) {
  fanout_.Flush();
  EXPECT_EQ(to_.flushes, 1);
}

TEST_F(FanoutTest, WhereAHistoryIsKeptItGetsWhatIsSaidOfEveryAlert) {
  Collected to;
  Fanout fanout(to, {}, Fanout::History::kKept);
  fanout.Append({.id = {5, 1},
                 .kind = EffectKind::kAlert,
                 .is_retained = true,
                 .severities = SeverityBit(GEMEL_INFO),
                 .change = AlertChange::kAcknowledged,
                 .topic = "t",
                 .payload = "{}"});
  fanout.Append({.id = {5, 2}, .kind = EffectKind::kAlert, .topic = "t"});
  ASSERT_EQ(to.effects.size(), 3u) << "what empties a topic says nothing";
  const Effect kept = to.effects[1].view();
  EXPECT_EQ(kept.webhook, kHistorySink);
  EXPECT_EQ(kept.id, (EffectId{5, 1}));
  EXPECT_EQ(kept.change, AlertChange::kAcknowledged);
  EXPECT_EQ(kept.lifetime, Duration::zero());
  EXPECT_EQ(kept.topic, "");
  EXPECT_EQ(kept.payload, "{}");
}

}  // namespace
}  // namespace gemel::effects
