#include "gateway/twin/shard_set.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/twin/lab.h"

namespace gemel::twin {
namespace {

// What one message of a sequence says.
struct Line {
  std::string id;
  std::string json;
  std::optional<Time> event_time;
  uint16_t route = kNewest;
};

// Shards that run, and the one thread that feeds them.
struct Fleet {
  explicit Fleet(uint32_t count) : shards(probes.world, sink, count, 64 * 1'024) {
    sequencer.emplace(1, clock, shards.inboxes());
    shards.Start(*sequencer);
  }
  ~Fleet() { shards.DrainAndStop(); }

  // Every message is a millisecond later than the one before.
  void Append(const Line& line) {
    journal::Record record{.route = line.route,
                           .key_hash = HashKey("probe", line.id),
                           .event_time = line.event_time.value_or(kNoTime),
                           .id = line.id,
                           .payload = line.json};
    clock.Advance(std::chrono::milliseconds(1));
    while (sequencer->Append({&record, 1}) == journal::Sequencer::Outcome::kFull) {
      sequencer->WaitForRoom(std::chrono::milliseconds(10));
    }
    ++appended;
  }
  // Until every message was applied, refused or counted as failed.
  void AwaitAll() {
    const auto met = [&] {
      uint64_t sum = 0;
      for (size_t i = 0; i < shards.size(); ++i) {
        const Engine& engine = shards[i].engine();
        sum += engine.stats(0).applied.value();
        for (const Counter& refused : engine.refused()) sum += refused.value();
      }
      return sum;
    };
    while (met() < appended) std::this_thread::yield();
  }

  ProbeWorld probes;
  KeptSink sink;
  ManualClock clock{kStart};
  ShardSet shards;
  std::optional<journal::Sequencer> sequencer;
  uint64_t appended = 0;
};

std::string Told(const ProbeWorld& probes, const TwinCopy& copy) {
  std::string text = copy.id + " lsn=" + std::to_string(copy.applied_lsn) +
                     " at=" + std::to_string(copy.last_telemetry.time_since_epoch().count());
  for (const gemel_field& field : probes.model().fields()) {
    text += std::string(" ") + field.name + "=" + probes.Json(copy.state.data(), field.name);
  }
  for (const Alert& alert : copy.alerts) {
    text += " alert=" + FormatEffectId('a', alert.id) + "/" + alert.code + "/" +
            std::to_string(alert.severity) + "/" + std::to_string(alert.count) + "/" +
            alert.properties;
  }
  return text;
}

std::string Told(const Kept& kept) {
  return FormatEffectId('e', kept.id) + (kept.is_retained ? " retained " : " ") + kept.topic + " " +
         kept.payload;
}

// All that a sequence of messages leads to: the twins, and the effects of each record in order.
std::vector<std::string> Outcome(const std::vector<Line>& lines, uint32_t shards) {
  Fleet fleet(shards);
  for (const Line& line : lines) fleet.Append(line);
  fleet.AwaitAll();
  std::set<std::string> ids;
  for (const Line& line : lines) ids.insert(line.id);
  std::vector<std::string> told;
  for (const std::string& id : ids) {
    const auto copy = fleet.shards.Get(0, id);
    told.push_back(copy ? Told(fleet.probes, *copy) : id + " absent");
  }
  std::vector<Kept> effects = fleet.sink.Take();
  std::ranges::stable_sort(effects, {}, [](const Kept& kept) { return kept.id.lsn; });
  for (const Kept& kept : effects) told.push_back(Told(kept));
  return told;
}

std::vector<Line> RandomLines(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  constexpr const char* kOrders[] = {"",     "reply", "soon",  "raise",       "minor", "clear",
                                     "draw", "throw", "flood", "clear raise", "fill",  "look"};
  std::vector<Line> lines;
  for (size_t i = 0; i < count; ++i) {
    Line line{.id = "device-" + std::to_string(random() % 40),
              .json = R"({"a": )" + std::to_string(random() % 1'000),
              .event_time = {},
              .route = random() % 4 == 0 ? kMute : kNewest};
    if (random() % 2 == 0) line.json += R"(, "b": )" + std::to_string(random() % 1'000);
    line.json += R"(, "order": ")" + std::string(kOrders[random() % std::size(kOrders)]) + "\"}";
    if (random() % 20 == 0) line.json = "{";
    if (random() % 2 == 0) line.event_time = kStart + std::chrono::seconds(random() % 100);
    lines.push_back(line);
  }
  return lines;
}

TEST(ShardSetTest, TheNumberOfShardsNeverShowsInAResult) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const std::vector<Line> lines = RandomLines(seed, 2'000);
  const std::vector<std::string> wanted = Outcome(lines, 1);
  EXPECT_GT(wanted.size(), 100u);
  for (const uint32_t shards : {2U, 7U, 64U}) {
    const std::vector<std::string> told = Outcome(lines, shards);
    ASSERT_EQ(told.size(), wanted.size()) << shards;
    for (size_t i = 0; i < told.size(); ++i) ASSERT_EQ(told[i], wanted[i]) << shards;
  }
}

TEST(ShardSetTest, GetAndScanSeeWholeTwinsWhileMessagesFlow) {
  constexpr int kTwins = 500;
  Fleet fleet(3);
  std::jthread feeder([&] {
    for (int i = 0; i < 10 * kTwins; ++i) {
      const std::string number = std::to_string(i);
      fleet.Append({.id = "d" + std::to_string(i % kTwins),
                    .json = fmt::format(R"({{"a": {0}, "b": {0}}})", number),
                    .event_time = {}});
    }
  });
  std::map<std::string, double> last;
  bool has_all = false;
  while (!has_all) {
    const auto copy = fleet.shards.Get(0, "d7");
    EXPECT_TRUE(!copy || copy->id == "d7");
    std::mutex mutex;
    std::map<std::string, double> seen;
    fleet.shards.Scan(0, [&](uint32_t, const Engine&, Twin& twin) {
      const auto& state = *reinterpret_cast<const Probe::State*>(twin.state());
      const std::lock_guard lock(mutex);
      EXPECT_EQ(state.a.value(), static_cast<double>(state.b.value())) << "torn";
      EXPECT_TRUE(seen.emplace(twin.id(), state.a.value()).second) << "visited twice";
    });
    for (const auto& [id, value] : last) EXPECT_GE(seen[id], value) << id;
    last = seen;
    has_all = last.size() == kTwins &&
              std::ranges::all_of(last, [](const auto& e) { return e.second >= 9 * kTwins; });
  }
  feeder.join();
  fleet.AwaitAll();
  EXPECT_EQ(fleet.shards.twins(0), uint64_t{kTwins});
}

TEST(ShardSetTest, GetOfAnUnknownTwinIsNothing) {
  Fleet fleet(2);
  fleet.Append({.id = "x", .json = "{}", .event_time = {}});
  fleet.AwaitAll();
  EXPECT_TRUE(fleet.shards.Get(0, "x"));
  EXPECT_FALSE(fleet.shards.Get(0, "y"));
  EXPECT_FALSE(fleet.shards.Get(0, ""));
  EXPECT_FALSE(fleet.shards.Get(0, std::string(kIdBytesMax + 1, 'x')));
}

TEST(ShardSetTest, ACopyHoldsTheAlerts) {
  Fleet fleet(2);
  fleet.Append({.id = "x", .json = R"({"order": "raise"})", .event_time = {}});
  fleet.AwaitAll();
  const auto copy = fleet.shards.Get(0, "x");
  ASSERT_TRUE(copy);
  ASSERT_EQ(copy->alerts.size(), 1u);
  EXPECT_EQ(copy->alerts[0].code, "hot");
  EXPECT_EQ(copy->applied_lsn, MakeLsn(1, 1));
}

TEST(ShardSetTest, AfterTheStopGetAndScanReturnAtOnceWithNothing) {
  Fleet fleet(2);
  fleet.Append({.id = "x", .json = "{}", .event_time = {}});
  fleet.shards.DrainAndStop();
  EXPECT_EQ(fleet.shards.twins(0), 1u);
  EXPECT_FALSE(fleet.shards.Get(0, "x"));
  fleet.shards.Scan(
      0, [](uint32_t, const Engine&, Twin&) { ADD_FAILURE() << "nothing runs any more"; });
}

}  // namespace
}  // namespace gemel::twin
