// Recovery of what records cause: timers that fired, and messages between twins.

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/store/recovery.h"
#include "tests/store/site.h"
#include "tests/support/temp_dir.h"

namespace gemel::store {
namespace {

using testing::HasSubstr;

class DerivedTest : public ::testing::Test {
 protected:
  // What a site has sent, dead letters left out.
  static std::vector<std::string> Sent(Site& site) {
    std::vector<std::string> sent;
    for (const twin::Kept& kept : site.Effects()) {
      if (kept.kind == effects::EffectKind::kDeadLetter) continue;
      sent.push_back(
          fmt::format("{} {} {}", FormatEffectId('e', kept.id), kept.topic, kept.payload));
    }
    return sent;
  }

  support::TempDir folder_;
};

TEST_F(DerivedTest, TimersAreTheSameAgainAndFireWhenTheirTimeComes) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> twins;
  std::vector<std::string> sent;
  {
    Site site(folder_.path(), {.shards = 3, .is_timing = true});
    site.Start();
    site.AppendAll(DerivedLines(random, 1'500));
    twins = site.Twins();
    sent = Sent(site);
    EXPECT_GT(site.fired(), 300u);
  }
  EXPECT_THAT(twins, testing::Contains(HasSubstr("timers=")));
  for (const uint32_t shards : {1U, 2U, 7U}) {
    Site site(folder_.path(), {.epoch = 2, .shards = shards});
    site.Start();
    EXPECT_EQ(site.Twins(), twins) << shards;
    EXPECT_EQ(Sent(site), sent) << shards;
  }
  Site site(folder_.path(), {.epoch = 3, .is_timing = true});
  site.Start();
  const uint64_t before = site.fired();
  // The second time for those that timers of the first one have armed.
  for (int i = 0; i < 2; ++i) {
    site.Append({.id = "later", .wait = std::chrono::hours(1)});
    site.Twins();
  }
  for (const std::string& twin : site.Twins())
    EXPECT_THAT(twin, testing::Not(HasSubstr(R"("name":"alarm")"))) << "it was due long ago";
  EXPECT_GT(site.fired(), before);
  const std::vector<std::string> after = site.Twins();
  EXPECT_EQ(site.Twins(), after) << "what recurs fires once for all that it has missed";
}

TEST_F(DerivedTest, WhatTwinsSentAndTheJournalLacksIsAppendedOnce) {
  const std::vector<Line> lines = {{.json = R"({"order": "sum_twice"})"},
                                   {.id = "y", .json = R"({"order": "ping", "b": 7})"},
                                   {.id = "z", .json = R"({"order": "sum", "b": 7})"}};
  {
    Site site(folder_.path(), {.is_mute = true});
    site.Start();
    site.AppendAll(lines);
    site.Twins();
  }
  std::vector<std::string> twins;
  for (uint64_t epoch = 2; epoch < 5; ++epoch) {
    Site site(folder_.path(), {.epoch = epoch, .shards = static_cast<uint32_t>(epoch)});
    const Recovered recovered = site.Start();
    EXPECT_EQ(recovered.unsent.size(), epoch == 2 ? 4u : 0u);
    EXPECT_EQ(recovered.differing, 0u);
    const std::vector<std::string> now = site.Twins();
    ASSERT_EQ(now.size(), 5u);
    EXPECT_THAT(now, testing::Contains(HasSubstr("told=10 last_from=\"z\"")));
    EXPECT_THAT(now, testing::Contains(HasSubstr("told=1 last_from=\"other\""))) << "the answer";
    if (epoch > 2) {
      EXPECT_EQ(now, twins);
    }
    twins = now;
  }
}

// A model that sends what it drew from elsewhere than its arguments.
TEST_F(DerivedTest, WhatIsSentOtherwiseThanBeforeIsCounted) {
  {
    Site site(folder_.path());
    site.Start();
    site.AppendAll({{.json = R"({"order": "sum", "b": 7})"}});
    site.Twins();
  }
  Site site(folder_.path(), {.epoch = 2});
  // A field that is not there any more: the same message says another thing.
  codec::FieldMapSpec spec;
  spec.fields = {{.field = "order", .at = "/order", .unit = {}, .values = {}}};
  for (twin::Route& route : site.probes.world.routes)
    route.fields = codec::FieldMap::Compile(site.probes.model().fields(), spec).value();
  EXPECT_EQ(site.Start().differing, 1u);
}

}  // namespace
}  // namespace gemel::store
