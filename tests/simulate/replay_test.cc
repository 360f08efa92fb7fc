#include "gateway/simulate/replay.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/fake.h"
#include "gateway/mqtt/paho_publisher.h"
#include "tests/support/broker.h"
#include "tests/support/data_dir.h"
#include "tests/support/tail.h"
#include "tests/support/temp_dir.h"

namespace gemel::simulate {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class ReplayTest : public testing::Test {
 protected:
  static ReplayMap Map(const std::string& text) {
    auto map = ParseReplayMap(text, "map.json");
    EXPECT_TRUE(map.ok()) << map.status().message();
    return map.ok() ? std::move(*map) : ReplayMap{};
  }
  static std::string MapFailure(const std::string& text) {
    const auto map = ParseReplayMap(text, "map.json");
    return map.ok() ? "accepted" : map.status().message();
  }
  Result<ReplaySet> Read(const std::string& rows, const std::string& map) {
    std::ofstream(folder_ / "rows", std::ios::binary) << rows;
    return ReadReplaySet(folder_ / "rows", Map(map));
  }
  ReplaySet MustRead(const std::string& rows, const std::string& map) {
    auto set = Read(rows, map);
    EXPECT_TRUE(set.ok()) << set.status().message();
    return set.ok() ? std::move(*set) : ReplaySet{};
  }
  // A set of so many rows, a second apart.
  static ReplaySet Seconds(size_t count) {
    ReplaySet set;
    set.rows_total = count;
    for (size_t i = 0; i < count; ++i) {
      const Time at{1s * i};
      set.rows.push_back(
          {.at = at, .due = at, .topic = "t/" + std::to_string(i), .payload = std::to_string(i)});
    }
    return set;
  }
  ReplayWorld World() {
    return {.clock = clock_,
            .publisher = publisher_,
            .sleep =
                [this](std::chrono::nanoseconds wait) {
                  clock_.Advance(std::chrono::ceil<Duration>(wait));
                  if (on_sleep_) on_sleep_();
                },
            .on_progress =
                [this](const ReplayProgress& p) {
                  if (on_progress_) on_progress_(p);
                }};
  }

  support::TempDir folder_;
  ManualClock clock_{Time{1s}};
  mqtt::FakePublisher publisher_;
  std::function<void()> on_sleep_;
  std::function<void(const ReplayProgress&)> on_progress_;
};

TEST_F(ReplayTest, CsvRowsBecomeTopicsAndObjects) {
  const ReplaySet set = MustRead(
      "id,ts,speed,line,note\n7,2016-11-24T00:00:51-06:00,1.50,007,\n8,2016-11-24 "
      "06:00:52,-0,1e5,\"a \"\"b\"\"\"\n",
      R"({"topic": "bus/{/line}/{/id}/x", "time": "/ts", "time_format": "iso"})");
  ASSERT_EQ(set.rows.size(), 2u);
  EXPECT_EQ(set.rows[0].topic, "bus/007/7/x");
  EXPECT_EQ(set.rows[0].payload,
            R"({"id":7,"ts":"2016-11-24T00:00:51-06:00","speed":1.50,"line":"007","note":null})");
  EXPECT_EQ(set.rows[1].payload,
            R"({"id":8,"ts":"2016-11-24 06:00:52","speed":-0,"line":1e5,"note":"a \"b\""})");
  EXPECT_EQ(set.rows[1].at - set.rows[0].at, 1s);
}

TEST_F(ReplayTest, TimesAreKeptAsTheyStandWhereAskedForAlsoOfRowsThatAreSkipped) {
  const std::string map = R"({"topic": "t/{/id}", "time": "/ts", "time_format": "iso"})";
  EXPECT_TRUE(MustRead("id,ts\n7,2024-01-01\n", map).time_texts.empty());
  std::ofstream(folder_ / "rows") << "id,ts\n7,2024-01-01\n,2024-01-02 00:00:00\n8,2024-01-03\n";
  const auto set = ReadReplaySet(folder_ / "rows", Map(map), TimeTexts::kKept);
  ASSERT_TRUE(set.ok()) << set.status().message();
  EXPECT_THAT(set->time_texts, ElementsAre("2024-01-01", "2024-01-02 00:00:00", "2024-01-03"));
  ASSERT_EQ(set->rows.size(), 2u);
  EXPECT_EQ(set->rows[1].number, 2u);
}

TEST_F(ReplayTest, KeepAndStringsSayWhatThePayloadHolds) {
  const std::string rows = "id;ts;a/b;trip\n7;1.5;2;9\n";
  EXPECT_EQ(
      MustRead(rows, R"({"topic": "t/{/id}", "time": "/ts", "time_format": "s", "separator": ";",
                               "keep": ["/trip", "/a~1b"], "strings": ["trip"]})")
          .rows[0]
          .payload,
      R"({"trip":"9","a/b":2,"ts":1.5})");
  const ReplaySet set = MustRead(
      "7 5\n", R"({"topic": "t", "separator": " ", "columns": ["id", "n"], "strings": ["/id"]})");
  EXPECT_EQ(set.rows[0].payload, R"({"id":"7","n":5})");
}

TEST_F(ReplayTest, JsonLinesAreSentAsTheyAreUnlessKeepTakesParts) {
  const std::string rows =
      "{\"m\":\"r\", \"ts\":\"2016-01-01\", \"tags\":{\"name\":\"x\",\"n\":null}, "
      "\"f\":{\"a\":1,\"b\":2}}\n";
  const ReplaySet all = MustRead(rows, R"({"topic": "t/{/m}"})");
  EXPECT_EQ(all.rows[0].topic, "t/r");
  EXPECT_EQ(all.rows[0].payload + "\n", rows);
  EXPECT_EQ(MustRead(rows, R"({"topic": "t", "keep": ["/tags", "/f/b", "/none"]})").rows[0].payload,
            R"({"tags":{"name":"x","n":null},"f":{"b":2}})");
  // A route needs the event time.
  EXPECT_EQ(MustRead(rows, R"({"topic": "t", "time": "/ts", "time_format": "iso", "keep": ["/f"]})")
                .rows[0]
                .payload,
            R"({"f":{"a":1,"b":2},"ts":"2016-01-01"})");
}

TEST_F(ReplayTest, UnsafeBytesOfATopicValueAreEncodedAndEmptyOnesSkipTheRow) {
  const ReplaySet set = MustRead(
      "{\"id\":\"a/b c\"}\n{\"id\":\"a+b\"}\n{\"id\":null}\n{\"id\":\"\"}\n{\"id\":{}}\n{}\n"
      "{\"id\":42}\n{\"id\":true}\n{\"id\":\"\xC3\xA4\"}\n",
      R"({"topic": "t/{/id}"})");
  std::vector<std::string> topics;
  for (const ReplayRow& row : set.rows) topics.push_back(row.topic);
  EXPECT_THAT(topics, ElementsAre("t/a%2Fb c", "t/a%2Bb", "t/42", "t/true", "t/\xC3\xA4"));
  EXPECT_EQ(set.skipped, 4u);
  EXPECT_EQ(set.rows_total, 9u);
}

TEST_F(ReplayTest, TimeCountsStepsWhereTheMapSaysSo) {
  const ReplaySet rows = MustRead("a\nx\ny\n", R"({"topic": "t", "time_step": "1d"})");
  EXPECT_EQ(rows.rows[0].at, Time{});
  EXPECT_EQ(rows.rows[1].at, Time{24h});
  const ReplaySet named =
      MustRead("step\n3\n4.5\n", R"({"topic": "t", "time": "/step", "time_step": "1h"})");
  EXPECT_EQ(named.rows[0].at, Time{3h});
  EXPECT_EQ(named.rows[1].at, Time{4h + 30min});
}

TEST_F(ReplayTest, ARowWithoutTimeHasThatOfTheRowBefore) {
  const ReplaySet set =
      MustRead("{\"t\":5}\n{\"t\":null}\n{}\n{\"t\":6}\n", R"({"topic": "t", "time": "/t"})");
  EXPECT_EQ(set.rows[1].at, Time{5ms});
  EXPECT_EQ(set.rows[2].at, Time{5ms});
  EXPECT_EQ(set.rows[3].at, Time{6ms});
}

TEST_F(ReplayTest, MistakesInAMapNameTheKeyAndWhatIsAllowed) {
  EXPECT_EQ(MapFailure(R"({"topic": "t", "tiem": "/t"})"),
            "map.json: tiem: no such key; allowed: topic, qos, time, time_format, time_step, keep, "
            "strings, separator, columns; did you mean time?");
  EXPECT_THAT(MapFailure(R"({})"), HasSubstr("map.json: topic: is missing"));
  EXPECT_THAT(MapFailure(R"({"topic": 5})"), HasSubstr("topic: must be a string, not \"5\""));
  EXPECT_THAT(MapFailure(R"({"topic": "t/{/a"})"), HasSubstr("has a { without }"));
  EXPECT_THAT(MapFailure(R"({"topic": "t/{a}"})"), HasSubstr("topic: JSON pointer \"a\""));
  EXPECT_THAT(MapFailure(R"({"topic": "t/+/{/a}"})"), HasSubstr("has +, #, NUL or }"));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "qos": 3})"),
              HasSubstr("qos: must be 0, 1 or 2, not \"3\""));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "time": "/t", "time_format": "ns"})"),
              HasSubstr("time_format: must be s, ms, us or iso, not \"ns\""));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "time_format": "s"})"), HasSubstr("needs \"time\""));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "time_step": "1"})"),
              HasSubstr("time_step: \"1\" is no"));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "keep": "/a"})"), HasSubstr("keep: must be an array"));
  EXPECT_THAT(MapFailure(R"({"topic": "t", "separator": "ab"})"), HasSubstr("one ASCII character"));
  EXPECT_THAT(MapFailure("[]"), HasSubstr("a replay map is a JSON object"));
  EXPECT_EQ(LoadReplayMap(folder_ / "none").status().code(), Code::kNotFound);
}

TEST_F(ReplayTest, MistakesInASetNameFileAndLine) {
  EXPECT_THAT(Read("{\"a\":1}\n{\n", R"({"topic": "t"})").status().message(),
              HasSubstr("rows:2: no JSON: "));
  EXPECT_THAT(Read("ts\n\nnoon\n", R"({"topic": "t", "time": "/ts", "time_format": "iso"})")
                  .status()
                  .message(),
              EndsWith("rows:3: column ts: \"noon\" is no time of the map's format"));
  EXPECT_THAT(Read("{\"ts\":\"x\"}\n", R"({"topic": "t", "time": "/ts"})").status().message(),
              EndsWith("rows:1: /ts: \"x\" is no time of the map's format"));
  EXPECT_THAT(
      Read("lat,lon\n1,2\n", R"({"topic": "t", "keep": ["/latt"]})").status().message(),
      EndsWith(
          "map.json names column \"latt\", which the file has not; it has lat, lon; did you mean "
          "lat?"));
  EXPECT_THAT(Read("a\n1\n", R"({"topic": "t/{/a/b}"})").status().message(),
              EndsWith("\"/a/b\": a pointer into CSV has one level: the name of a column"));
}

TEST_F(ReplayTest, SortIsStableAndByEventTime) {
  ReplaySet set = Seconds(6);
  for (size_t i = 0; i < 6; ++i) set.rows[i].at = Time{1s * (5 - i / 2)};
  OrderRows({.is_sorted = true}, set.rows);
  std::string order;
  for (const ReplayRow& row : set.rows) order += row.payload;
  EXPECT_EQ(order, "452301");
}

TEST_F(ReplayTest, ShuffleIsRepeatableAndWithinTheWindow) {
  const auto shuffled = [](uint64_t seed) {
    ReplaySet set = Seconds(2'000);
    OrderRows({.shuffle = 120s, .seed = seed}, set.rows);
    return set.rows;
  };
  const auto rows = shuffled(1);
  std::vector<std::string> order;
  size_t steps_back = 0;
  Time latest = kNoTime;
  for (const ReplayRow& row : rows) {
    order.push_back(row.payload);
    EXPECT_GE(row.due, row.at);
    EXPECT_LE(row.due - row.at, 120s);
    // Nothing is overtaken by what happened more than the window later.
    EXPECT_LE(latest, row.at + 120s);
    if (row.at < latest) ++steps_back;
    latest = std::max(latest, row.at);
  }
  EXPECT_GT(steps_back, 1'000u);
  EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &ReplayRow::due));
  EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), 2'000u);
  const auto same = [](const ReplayRow& a, const ReplayRow& b) { return a.payload == b.payload; };
  EXPECT_TRUE(std::ranges::equal(rows, shuffled(1), same));
  EXPECT_FALSE(std::ranges::equal(rows, shuffled(2), same));
  // On every machine.
  EXPECT_THAT(std::vector(order.begin(), order.begin() + 4), ElementsAre("0", "14", "15", "23"));
}

TEST_F(ReplayTest, EveryRowIsSentOnceAndAcknowledged) {
  ReplaySet set = Seconds(1'000);
  set.rows_total = 1'003;
  set.skipped = 3;
  const auto summary = Replay(set, {}, World());
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->rows, 1'003u);
  EXPECT_EQ(summary->sent, 1'000u);
  EXPECT_EQ(summary->acknowledged, 1'000u);
  EXPECT_EQ(summary->skipped, 3u);
  EXPECT_EQ(summary->sent_again, 0u);
  EXPECT_EQ(summary->first, Time{});
  EXPECT_EQ(summary->last, Time{999s});
  const auto published = publisher_.published();
  ASSERT_EQ(published.size(), 1'000u);
  EXPECT_EQ(published[7].topic, "t/7");
  EXPECT_EQ(published[7].payload, "7");
  EXPECT_EQ(published[7].qos, 1);
  EXPECT_FALSE(published[7].is_retained);
  EXPECT_EQ(publisher_.disconnects(), 1u);
}

TEST_F(ReplayTest, AnEmptySetIsDoneAtOnce) {
  const auto summary = Replay(ReplaySet{}, {}, World());
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->sent, 0u);
}

TEST_F(ReplayTest, AFullWindowIsWaitedFor) {
  publisher_.SetAcknowledging(false);
  publisher_.SetWindow(10);
  on_progress_ = [this](const ReplayProgress&) { publisher_.Acknowledge(3); };
  const auto summary = Replay(Seconds(100), {}, World());
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->acknowledged, 100u);
  EXPECT_EQ(publisher_.published().size(), 100u);
}

TEST_F(ReplayTest, WhatALostConnectionHadInFlightIsSentAgain) {
  publisher_.SetAcknowledging(false);
  publisher_.SetWindow(40);
  int reports = 0;
  on_progress_ = [&](const ReplayProgress&) {
    publisher_.Acknowledge(5);
    if (++reports == 4) publisher_.SetReachable(false);
  };
  on_sleep_ = [&] { publisher_.SetReachable(true); };
  const auto summary = Replay(Seconds(100), {}, World());
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->sent, 100u);
  EXPECT_EQ(summary->acknowledged, 100u);
  EXPECT_GT(summary->sent_again, 0u);
  std::set<std::string> topics;
  for (const auto& message : publisher_.published()) topics.insert(message.topic);
  EXPECT_EQ(topics.size(), 100u);
  EXPECT_EQ(publisher_.published().size(), 100u + summary->sent_again);
}

TEST_F(ReplayTest, ABrokerThatStaysAwayIsAFailureWithinPatience) {
  publisher_.SetReachable(false);
  EXPECT_EQ(Replay(Seconds(1), {}, World()).status().code(), Code::kUnavailable);

  publisher_.SetReachable(true);
  publisher_.SetAcknowledging(false);
  on_progress_ = [&](const ReplayProgress&) { publisher_.SetReachable(false); };
  const auto begin = clock_.Steady();
  const auto summary = Replay(Seconds(1), {.patience = 10s}, World());
  EXPECT_EQ(summary.status().code(), Code::kUnavailable);
  EXPECT_GE(clock_.Steady() - begin, 10s);
  EXPECT_LE(clock_.Steady() - begin, 20s);
}

TEST_F(ReplayTest, SpeedPacesByEventTime) {
  ReplaySet set = Seconds(61);
  std::swap(set.rows[3].at, set.rows[4].at);
  OrderRows({}, set.rows);
  std::vector<std::pair<size_t, std::chrono::nanoseconds>> seen;
  on_sleep_ = [&] { seen.emplace_back(publisher_.published().size(), clock_.Steady()); };
  const auto summary = Replay(set, {.speed = 60}, World());
  ASSERT_TRUE(summary.ok());
  EXPECT_NEAR(summary->seconds, 1.0, 0.01);
  for (const auto& [published, at] : seen) {
    EXPECT_LE(static_cast<double>(published), 60.0 * static_cast<double>(at.count()) * 1e-9 + 1.1);
  }
}

class RealSetTest : public ReplayTest {
 protected:
  static std::optional<ReplaySet> Load(const std::string& name, const std::string& file) {
    const auto set = support::DataSet(name);
    if (!set) return std::nullopt;
    const auto map =
        LoadReplayMap(std::filesystem::path(GEMEL_SOURCE_DIR) / "conf/replay" / (name + ".json"));
    EXPECT_TRUE(map.ok()) << map.status().message();
    if (!map.ok()) return std::nullopt;
    auto rows = ReadReplaySet(*set / file, *map);
    EXPECT_TRUE(rows.ok()) << rows.status().message();
    if (!rows.ok()) return std::nullopt;
    return std::move(*rows);
  }
  static constexpr const char* kBus = "vehicle_positions_2016-11-24.csv.gz";
};

TEST_F(RealSetTest, TheBusDayRenders) {
  auto set = Load("capmetro_bus", kBus);
  if (!set) GTEST_SKIP() << support::kNoData;
  EXPECT_EQ(set->rows.size(), 24'490u);
  EXPECT_EQ(set->skipped, 0u);
  EXPECT_EQ(set->rows[0].topic, "bus/1/2228/position");
  const auto first = nlohmann::json::parse(set->rows[0].payload);
  EXPECT_EQ(first["timestamp"], "2016-11-24T00:00:51-06:00");
  EXPECT_EQ(first["speed"], 12.96416);
  std::set<std::string> vehicles;
  std::map<std::string, Time> newest;
  size_t late = 0;
  for (const ReplayRow& row : set->rows) {
    EXPECT_TRUE(nlohmann::json::accept(row.payload)) << row.payload;
    const std::string vehicle = row.topic.substr(row.topic.find('/', 4));
    vehicles.insert(vehicle);
    auto& latest = newest.try_emplace(vehicle, row.at).first->second;
    if (row.at < latest) ++late;
    latest = std::max(latest, row.at);
  }
  EXPECT_EQ(vehicles.size(), 152u);
  EXPECT_EQ(late, 18'587u);
  OrderRows({.is_sorted = true}, set->rows);
  EXPECT_TRUE(std::ranges::is_sorted(set->rows, {}, &ReplayRow::at));
}

TEST_F(RealSetTest, TheTruckHourRenders) {
  const auto set = Load("tsbs_trucks", "fleet60/arrivals.jsonl.gz");
  if (!set) GTEST_SKIP() << support::kNoData;
  EXPECT_EQ(set->rows.size(), 38'882u);
  EXPECT_EQ(set->rows[0].topic, "tsbs/readings");
  const auto payload = nlohmann::json::parse(set->rows[0].payload);
  EXPECT_EQ(payload["tags"]["name"], "truck_0");
  EXPECT_EQ(payload["fields"]["latitude"], 10.83808);
  EXPECT_EQ(payload["ts"], "2016-01-01T00:00:00Z");
}

TEST_F(RealSetTest, TheBusDayReachesARealBroker) {
  auto set = Load("capmetro_bus", kBus);
  if (!set) GTEST_SKIP() << support::kNoData;
  set->rows.resize(3'000);
  OrderRows({.is_sorted = true}, set->rows);
  support::Broker broker({.lines = {"max_queued_messages 0"}});
  const Status started = broker.Start();
  ASSERT_TRUE(started.ok()) << started.message();
  support::Tail tail(broker, {"bus/#"});
  const auto publisher =
      mqtt::MakePahoPublisher({.uri = broker.uri(), .client_id = "replay-test"}, {});
  const SystemClock clock;
  const auto summary =
      Replay(*set, {}, {.clock = clock, .publisher = *publisher, .sleep = [](auto wait) {
                          std::this_thread::sleep_for(wait);
                        }});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_EQ(summary->acknowledged, 3'000u);
  ASSERT_TRUE(tail.WaitForCount(3'000));
  EXPECT_EQ(tail.seen()[0].topic, set->rows[0].topic);
  EXPECT_EQ(tail.seen()[2'999].payload, set->rows[2'999].payload);
}

TEST_F(RealSetTest, ARestartedBrokerLosesNothing) {
  support::Broker broker({.is_persistent = true});
  const Status started = broker.Start();
  ASSERT_TRUE(started.ok()) << started.message();
  const auto publisher =
      mqtt::MakePahoPublisher({.uri = broker.uri(), .client_id = "replay-test"}, {});
  const SystemClock clock;
  int reports = 0;
  const auto freeze_then_restart = [&](const ReplayProgress& progress) {
    if (progress.acknowledged < 5'000) return;
    ++reports;
    if (reports == 1) broker.Freeze();  // so that something is in flight
    if (reports == 3) {
      broker.Kill();
      EXPECT_TRUE(broker.Start().ok());
    }
  };
  const auto summary = Replay(Seconds(20'000), {},
                              {.clock = clock,
                               .publisher = *publisher,
                               .sleep = [](auto wait) { std::this_thread::sleep_for(wait); },
                               .on_progress = freeze_then_restart});
  ASSERT_TRUE(summary.ok()) << summary.status().message();
  EXPECT_GE(reports, 3);
  EXPECT_EQ(summary->sent, 20'000u);
  EXPECT_EQ(summary->acknowledged, 20'000u);
  EXPECT_GT(summary->sent_again, 0u);
}

}  // namespace
}  // namespace gemel::simulate
