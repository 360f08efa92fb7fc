#include "gateway/playback/collector.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/playback/life.h"

namespace gemel::playback {
namespace {

using effects::EffectKind;

class CollectorTest : public ::testing::Test {
 protected:
  std::vector<std::string> Take() { return TextsOf(collector_.Take()); }

  FoldWorld world_;
  Collector collector_{world_.probes.world};
};

TEST_F(CollectorTest, AnEffectIsALineOfJsonWithAllThatItIs) {
  collector_.Append({.id = {0x1a2b, 3},
                     .kind = EffectKind::kAlert,
                     .is_retained = true,
                     .decided = twin::kStart + Duration(7),
                     .lifetime = std::chrono::seconds(5),
                     .twin = "a\"b",
                     .topic = "gemel/alerts/\xC3\xBC",
                     .payload = R"({"n":1.50})"});
  EXPECT_EQ(Take()[0], R"({"id":"1a2b-3","kind":"alert","model":"probe","twin":"a\"b","topic":)"
                       "\"gemel/alerts/\xC3\xBC\""
                       R"(,"is_retained":true,"time_us":1700000000000007,"lifetime_us":5000000,)"
                       R"("payload":{"n":1.50}})");
  EXPECT_TRUE(Take().empty());
}

TEST_F(CollectorTest, AMessageThatIsEmptiedHasANullPayload) {
  collector_.Append({.id = {1, 0}, .kind = EffectKind::kCommand, .topic = "t"});
  collector_.Append({.id = {1, 1}, .kind = EffectKind::kDeadLetter, .topic = "t", .payload = "{}"});
  const auto lines = Take();
  EXPECT_EQ(nlohmann::json::parse(lines[0])["payload"], nullptr);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["kind"], "command");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["kind"], "deadletter");
}

TEST_F(CollectorTest, LinesStandByIdAndThoseOfOneIdAsTheyCame) {
  for (const EffectId id : {EffectId{3, 1}, EffectId{10, 0}, EffectId{3, 0}, EffectId{2, 9}}) {
    for (const char* topic : {"z", "a", "m"}) collector_.Append({.id = id, .topic = topic});
  }
  std::string order;
  for (const std::string& line : Take()) {
    const auto json = nlohmann::json::parse(line);
    order += json["id"].get<std::string>() + json["topic"].get<std::string>() + " ";
  }
  EXPECT_EQ(order, "2-9z 2-9a 2-9m 3-0z 3-0a 3-0m 3-1z 3-1a 3-1m a-0z a-0a a-0m ");
}

TEST_F(CollectorTest, ShardsMayAppendAtTheSameTime) {
  constexpr uint64_t kEach = 2'000;
  std::vector<std::thread> shards;
  for (uint64_t shard = 0; shard < 3; ++shard) {
    shards.emplace_back([this, shard] {
      for (uint64_t i = 0; i < kEach; ++i) collector_.Append({.id = {3 * i + shard, 0}});
    });
  }
  for (std::thread& shard : shards) shard.join();
  const std::vector<EffectLine> lines = collector_.Take();
  ASSERT_EQ(lines.size(), 3 * kEach);
  for (uint64_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i].id.lsn, i);
}

}  // namespace
}  // namespace gemel::playback
