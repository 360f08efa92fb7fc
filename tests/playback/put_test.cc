#include "gateway/twin/put.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/limits.h"
#include "gateway/playback/why.h"
#include "tests/playback/life.h"
#include "tests/support/effort.h"
#include "tests/support/temp_dir.h"

// Twins that were exported, put into another gateway.
namespace gemel::playback {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class PutTest : public ::testing::Test {
 protected:
  // Puts a line in as `gemel import` does.
  static void Put(Life& life, const std::string& text) {
    const json line = json::parse(text);
    const auto id = line["id"].get<std::string>();
    const model::Model& model = life.site.probes.model();
    std::vector<journal::RecordSymbol> symbols;
    for (const auto& [field, symbol] : twin::SymbolsOf(line, model))
      symbols.push_back({field, 0, life.site.probes.symbols.Intern(symbol)->number});
    journal::Record record{.kind = journal::RecordKind::kTwinPut,
                           .key_hash = HashKey("probe", id),
                           .id = id,
                           .payload = text,
                           .symbols = symbols};
    auto outcome = journal::Sequencer::Outcome::kFull;
    while ((outcome = life.site.sequencer().Append({&record, 1})) ==
           journal::Sequencer::Outcome::kFull) {
      life.site.sequencer().WaitForRoom(std::chrono::milliseconds(10));
    }
    ASSERT_EQ(outcome, journal::Sequencer::Outcome::kAppended);
  }
  // What does not depend on who applied it when.
  static std::vector<json> Told(const std::vector<std::string>& lines) {
    std::vector<json> told;
    for (const std::string& line : lines) {
      json twin = json::parse(line);
      twin.erase("lsn");
      for (json& alert : twin["alerts"]) {
        alert.erase("lsn");
        alert.erase("ordinal");
      }
      told.push_back(std::move(twin));
    }
    return told;
  }
  std::filesystem::path Folder(const char* name) const {
    std::filesystem::create_directories(folder_ / name);
    return folder_ / name;
  }

  support::TempDir folder_;
};

TEST_F(PutTest, AllThatATwinIsComesAlongAndAReplayHasItToo) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Life from(Folder("from"));
  ASSERT_TRUE(from.Start().ok());
  from.site.AppendAll(RandomLines(random, support::Rounds(800, 200)));
  const std::vector<std::string> lines = from.Lines();
  ASSERT_FALSE(lines.empty());

  Life to(Folder("to"));
  ASSERT_TRUE(to.Start().ok());
  to.site.AppendAll(RandomLines(random, 300, 10));  // some of them are replaced
  for (const std::string& line : lines) Put(to, line);
  std::vector<std::string> put;
  for (const std::string& line : to.Lines()) {
    if (std::ranges::any_of(lines, [&](const std::string& one) {
          return json::parse(one)["id"] == json::parse(line)["id"];
        }))
      put.push_back(line);
  }
  ASSERT_EQ(put.size(), lines.size());
  // One by one: what differs is found in lines of 30 kB without comparing each with each.
  for (size_t i = 0; i < lines.size(); ++i)
    EXPECT_TRUE(Told({put[i]}) == Told({lines[i]})) << put[i] << '\n' << lines[i];

  to.site.AppendAll(RandomLines(random, 300));
  const std::vector<std::string> live = to.Lines();
  for (const uint32_t shards : {1U, 3U}) {
    const FoldWorld world;
    Fold fold(world.probes.world, shards);
    ASSERT_TRUE(fold.Run({.journal = folder_ / "to" / "journal"}).ok());
    EXPECT_TRUE(fold.TwinLines() == live) << shards << " shards";
  }
}

TEST_F(PutTest, WhatWasSetOfItsProfileComesAlong) {
  Life from(Folder("from"));
  ASSERT_TRUE(from.Start().ok());
  from.site.AppendAll({{.json = R"({"a": 9})"}});
  json twin = json::parse(from.Lines().at(0));
  twin["state"]["limit"] = 3;
  twin["told"] = {{"limit", "topic"}};
  Life to(Folder("to"));
  ASSERT_TRUE(to.Start().ok());
  Put(to, twin.dump());
  const json put = json::parse(to.Lines().at(0));
  EXPECT_EQ(put["state"]["limit"], 3);
  EXPECT_EQ(put["told"], twin["told"]);
  const FoldWorld world;
  Fold fold(world.probes.world, 2);
  ASSERT_TRUE(fold.Run({.journal = folder_ / "to" / "journal"}).ok());
  EXPECT_EQ(fold.TwinLines(), to.Lines());
}

TEST_F(PutTest, OfMoreAlertsThanATwinRemembersTheOldestAreLeftOut) {
  Life from(Folder("from"));
  ASSERT_TRUE(from.Start().ok());
  from.site.AppendAll({{.json = R"({"a": 9, "order": "raise"})"}});
  json twin = json::parse(from.Lines().at(0));
  json alert = twin["alerts"].at(0);
  alert["cleared_us"] = alert["last_us"];
  twin["alerts"] = json::array();
  for (size_t i = 0; i < kClearedAlertsPerTwinMax + 10; ++i) {
    alert["code"] = "c" + std::to_string(i);
    twin["alerts"].push_back(alert);
  }
  Life to(Folder("to"));
  ASSERT_TRUE(to.Start().ok());
  Put(to, twin.dump());
  const json put = json::parse(to.Lines().at(0));
  ASSERT_EQ(put["alerts"].size(), kClearedAlertsPerTwinMax);
  EXPECT_EQ(put["alerts"][0]["code"], "c10");
}

TEST_F(PutTest, AlertsAreRaisedAgainUnderIdsOfTheirOwnAndThoseBeforeAreCleared) {
  Life from(Folder("from"));
  ASSERT_TRUE(from.Start().ok());
  from.site.AppendAll({{.json = R"({"a": 9, "order": "raise"})"}});
  Life to(Folder("to"));
  ASSERT_TRUE(to.Start().ok());
  to.site.AppendAll({{.json = R"({"order": "minor"})"}});
  to.site.Effects();
  Put(to, from.Lines().at(0));
  const std::vector<twin::Kept> effects = to.site.Effects();
  ASSERT_EQ(effects.size(), 3U) << "cleared, its topic emptied, and raised";
  EXPECT_THAT(effects[0].payload, HasSubstr("cleared_unacked"));
  EXPECT_EQ(effects[1].payload, "");
  EXPECT_THAT(effects[2].payload, HasSubstr(FormatEffectId('a', effects[2].id)));
  EXPECT_THAT(effects[2].payload, HasSubstr("active_unacked"));
  EXPECT_NE(effects[0].id, effects[2].id);
}

TEST_F(PutTest, TheStoryOfAnImportedAlertBeginsWithTheImport) {
  Life from(Folder("from"));
  ASSERT_TRUE(from.Start().ok());
  from.site.AppendAll({{.json = R"({"a": 9, "order": "raise"})"}});
  Life to(Folder("to"));
  ASSERT_TRUE(to.Start().ok());
  Put(to, from.Lines().at(0));
  const FoldWorld world;
  const auto told =
      Why(to.site.Effects().at(0).id, {.journal = folder_ / "to" / "journal", .bases = {}},
          world.probes.world, 10);
  ASSERT_TRUE(told.ok()) << told.status().message();
  EXPECT_EQ((*told)["code"], "hot");
  EXPECT_EQ((*told)["state_after"]["a"], 9.0);
  EXPECT_TRUE((*told)["state_before"].is_null());
}

TEST_F(PutTest, WhatIsWrongIsRefusedAsAWhole) {
  Life life(Folder("life"));
  ASSERT_TRUE(life.Start().ok());
  life.site.AppendAll({{.json = R"({"a": 1})"}});
  const std::vector<std::string> before = life.Lines();
  life.site.Effects();
  Put(life, R"({"model":"probe","id":"x","state":{"a":"hot"},"at_us":{}})");
  EXPECT_EQ(life.Lines(), before);
  const std::vector<twin::Kept> effects = life.site.Effects();
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(effects[0].kind, effects::EffectKind::kDeadLetter);
  EXPECT_THAT(effects[0].payload, HasSubstr("it is of type double"));
}

TEST_F(PutTest, AWindowIsTakenByLayoutAndSizeAndOtherwiseLeftAtItsDefault) {
  const FoldWorld world;
  const model::Model& model = world.probes.model();
  const auto put = [&](const std::string& layout, const std::string& bytes) {
    twin::Probe::State state;
    model.Construct(reinterpret_cast<std::byte*>(&state));
    const json line = {
        {"state", {{"calls", 3}, {"recent", {{"layout", layout}, {"bytes", bytes}}}}},
        {"at_us", json::object()}};
    EXPECT_EQ(twin::PutState(line, model, reinterpret_cast<std::byte*>(&state)), std::nullopt);
    EXPECT_EQ(state.calls, 3);
    return state.recent.count;
  };
  const std::string bytes = std::string(sizeof(double) * 8, '0') + "0700000000000000";
  EXPECT_EQ(put("recent<double,4>/1", bytes), 7U);
  EXPECT_EQ(put("recent<double,4>/2", bytes), 0U);
  EXPECT_EQ(put("recent<double,4>/1", bytes + "00"), 0U);
}

TEST_F(PutTest, SaysWhatIsWrong) {
  const FoldWorld world;
  const model::Model& model = world.probes.model();
  std::vector<std::max_align_t> state(kStateBytesMax / sizeof(std::max_align_t));
  const auto wrong = [&](const char* text) {
    auto* const bytes = reinterpret_cast<std::byte*>(state.data());
    model.Construct(bytes);
    return twin::PutState(json::parse(text), model, bytes).value_or("nothing");
  };
  EXPECT_EQ(wrong(R"({"state":{"a":1.5,"b":-3,"is_on":true,"made":5,"kind":"k"},"at_us":{"a":7}})"),
            "nothing");
  EXPECT_EQ(wrong(R"({"state":{"a":"-inf","b":null},"at_us":{}})"), "nothing");
  EXPECT_THAT(wrong(R"({"at_us":{}})"), HasSubstr("no object \"state\""));
  EXPECT_THAT(wrong(R"({"state":{}})"), HasSubstr("no object \"at_us\""));
  EXPECT_THAT(wrong(R"({"state":{"c":1},"at_us":{}})"), HasSubstr("\"c\" is no field of probe"));
  EXPECT_THAT(wrong(R"({"state":{"b":1.5},"at_us":{}})"), HasSubstr("it is of type int64"));
  EXPECT_THAT(wrong(R"({"state":{"b":9223372036854775808},"at_us":{}})"), HasSubstr("b cannot be"));
  EXPECT_THAT(wrong(R"({"state":{"is_on":1},"at_us":{}})"), HasSubstr("it is of type bool"));
  EXPECT_THAT(wrong(R"({"state":{"kind":4},"at_us":{}})"), HasSubstr("it is of type symbol"));
  EXPECT_THAT(wrong(R"({"state":{},"at_us":{"calls":1}})"), HasSubstr("has no event time"));
  EXPECT_THAT(wrong(R"({"state":{},"at_us":{"a":"x"}})"), HasSubstr("has no event time"));
  EXPECT_THAT(wrong(R"({"state":{"recent":"00"},"at_us":{}})"), HasSubstr("it is of type window"));
  EXPECT_THAT(
      wrong(R"({"state":{"recent":{"layout":"recent<double,4>/1","bytes":"0"}},"at_us":{}})"),
      HasSubstr("it is of type window"));
  EXPECT_THAT(wrong(R"({"state":{"recent":{"bytes":"00"}},"at_us":{}})"),
              HasSubstr("it is of type window"));
  EXPECT_FALSE(twin::RepeatsOf(json::parse(R"({"repeats":"0g"})")).has_value());
  EXPECT_FALSE(twin::RepeatsOf(json::parse(R"({"repeats":"0"})")).has_value());
}

}  // namespace
}  // namespace gemel::playback
