#include "gateway/playback/diff.h"

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/playback/run_files.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json TwinOf(const std::string& id) {
  return {{"model", "probe"},
          {"id", id},
          {"lsn", "1a"},
          {"telemetry_us", 1'000},
          {"state", {{"a", 1.5}, {"b", 7}}},
          {"at_us", {{"a", 10}}},
          {"seen_us", {{"lab", 10}}},
          {"alerts", json::array()},
          {"repeats", "00"}};
}

json AlertOf(int severity) {
  return {{"lsn", 5},       {"ordinal", 0},   {"severity", severity},
          {"code", "hot"},  {"message", "m"}, {"first_us", 100},
          {"last_us", 200}, {"count", 2},     {"properties", "{}"}};
}

json EffectOf(const std::string& kind, const json& payload, int64_t time_us = 1'000) {
  return {{"id", "1a-0"},       {"kind", kind},     {"model", "probe"},
          {"twin", "x"},        {"topic", "t"},     {"is_retained", false},
          {"time_us", time_us}, {"lifetime_us", 0}, {"payload", payload}};
}

json CommandOf(const std::string& name, int n, int64_t time_us = 1'000) {
  return EffectOf("command",
                  {{"id", "c-" + std::to_string(time_us)},
                   {"name", name},
                   {"time_ms", time_us / 1'000},
                   {"args", {{"n", n}}}},
                  time_us);
}

json RaisedOf(const std::string& code, const std::string& severity, int64_t time_us = 1'000) {
  return EffectOf(
      "alert",
      {{"id", "a-1"}, {"code", code}, {"severity", severity}, {"first_ms", time_us / 1'000}},
      time_us);
}

class DiffTest : public ::testing::Test {
 protected:
  void Write(const std::string& run, const std::vector<json>& twins,
             const std::vector<json>& effects = {}) {
    std::vector<std::string> lines;
    lines.reserve(twins.size());
    for (const json& twin : twins) lines.push_back(twin.dump());
    std::vector<EffectLine> effect_lines;
    effect_lines.reserve(effects.size());
    for (const json& effect : effects) effect_lines.push_back({.id = {}, .json = effect.dump()});
    ASSERT_TRUE(WriteRun(folder_ / run, lines, effect_lines).ok());
  }
  Difference Compared(size_t examples_max = 10) {
    auto difference = Compare(folder_ / "a", folder_ / "b", examples_max);
    EXPECT_TRUE(difference.ok()) << difference.status().message();
    return difference.ok() ? *std::move(difference) : Difference{};
  }
  Difference OfTwins(const std::vector<json>& first, const std::vector<json>& second) {
    Write("a", first);
    Write("b", second);
    return Compared();
  }
  Difference OfEffects(const std::vector<json>& first, const std::vector<json>& second) {
    Write("a", {}, first);
    Write("b", {}, second);
    return Compared();
  }

  support::TempDir folder_;
};

TEST_F(DiffTest, TheSameRunIsTheSame) {
  const std::vector<json> twins = {TwinOf("x"), TwinOf("y")};
  const std::vector<json> effects = {CommandOf("go", 1), RaisedOf("hot", "major"),
                                     EffectOf("deadletter", {{"error", "bad"}, {"lsn", "1a"}})};
  Write("a", twins, effects);
  Write("b", twins, effects);
  const Difference difference = Compared();
  EXPECT_TRUE(difference.are_same());
  EXPECT_EQ(difference.twins.same, 2u);
  EXPECT_EQ(difference.commands.same, 1u);
  EXPECT_EQ(difference.alerts.same, 1u);
  EXPECT_EQ(difference.dead_letters.same, 1u);
  EXPECT_TRUE(difference.examples.empty());
}

TEST_F(DiffTest, OneChangedByteOfAWindowIsFoundAndNamed) {
  const auto with = [](const std::string& bytes, const std::string& layout = "ring<double,64>/1") {
    json twin = TwinOf("x");
    twin["state"]["recent"] = {{"layout", layout}, {"bytes", bytes}};
    return twin;
  };
  const std::string bytes(1'024, '0');
  std::string changed = bytes;
  changed[801] = '7';
  EXPECT_TRUE(OfTwins({with(bytes)}, {with(bytes)}).are_same());
  EXPECT_THAT(
      OfTwins({with(bytes)}, {with(changed)}).examples,
      ElementsAre(HasSubstr("state.recent 1 of its 512 bytes, from byte 400 on: 00 and 07")));
  EXPECT_THAT(OfTwins({with(bytes)}, {with(bytes, "ring<double,64>/2")}).examples,
              ElementsAre(HasSubstr("state.recent {")));
  EXPECT_FALSE(OfTwins({with(bytes)}, {with(bytes + "00")}).are_same());
}

TEST_F(DiffTest, NumbersOfRecordsAndTheirTimesDoNotCount) {
  json twin = TwinOf("x");
  twin["alerts"].push_back(AlertOf(2));
  json later = twin;
  later["lsn"] = "ffff";
  later["telemetry_us"] = 9'999;
  for (const char* name : {"lsn", "ordinal", "first_us", "last_us"}) later["alerts"][0][name] = 77;
  EXPECT_TRUE(OfTwins({twin}, {later}).are_same());
  json command = CommandOf("go", 1, 1'000);
  command["payload"]["expires_ms"] = 6;
  command["lifetime_us"] = 5'000;
  json later_command = CommandOf("go", 1, 2'000);
  later_command["id"] = "2b-9";
  later_command["payload"]["expires_ms"] = 7;
  later_command["lifetime_us"] = 5'000;
  EXPECT_TRUE(OfEffects({command, RaisedOf("hot", "major", 1)},
                        {later_command, RaisedOf("hot", "major", 99'000)})
                  .are_same());
}

TEST_F(DiffTest, AFieldThatDiffersIsNamedWithBothValues) {
  const auto changed = [&](const std::string& part, const json& value) {
    json twin = TwinOf("x");
    twin[json::json_pointer(part)] = value;
    const Difference difference = OfTwins({TwinOf("w"), TwinOf("x")}, {TwinOf("w"), twin});
    EXPECT_EQ(difference.twins.same, 1u) << part;
    EXPECT_EQ(difference.twins.changed, 1u) << part;
    EXPECT_EQ(difference.examples.size(), 1u) << part;
    return difference.examples.empty() ? std::string() : difference.examples[0];
  };
  EXPECT_EQ(changed("/state/b", 8), R"(twin probe/"x": state.b 7 and 8)");
  EXPECT_EQ(changed("/state/a", nullptr), R"(twin probe/"x": state.a 1.5 and null)");
  EXPECT_EQ(changed("/state/c", true), R"(twin probe/"x": state.c null and true)");
  EXPECT_EQ(changed("/at_us/a", 11), R"(twin probe/"x": at_us.a 10 and 11)");
  EXPECT_EQ(changed("/seen_us/other", 5), R"(twin probe/"x": seen_us.other null and 5)");
  EXPECT_EQ(changed("/repeats", "01"), R"(twin probe/"x": repeats "00" and "01")");
  EXPECT_THAT(changed("/state/b", 9007199254740993), HasSubstr("9007199254740993"));
}

TEST_F(DiffTest, TwinsOfOneRunOnlyAreCountedOnTheirSide) {
  const Difference difference =
      OfTwins({TwinOf("a"), TwinOf("b"), TwinOf("d")}, {TwinOf("b"), TwinOf("c"), TwinOf("e")});
  EXPECT_EQ(difference.twins.same, 1u);
  EXPECT_EQ(difference.twins.only_first, 2u);
  EXPECT_EQ(difference.twins.only_second, 2u);
  EXPECT_THAT(difference.examples, ElementsAre(R"(twin probe/"a": only in the first run)",
                                               R"(twin probe/"c": only in the second run)",
                                               R"(twin probe/"d": only in the first run)",
                                               R"(twin probe/"e": only in the second run)"));
}

TEST_F(DiffTest, ActiveAlertsOfAnotherSeverityCountOrOrderDiffer) {
  json twin = TwinOf("x");
  twin["alerts"] = {AlertOf(2), AlertOf(3)};
  for (const char* change : {"severity", "count", "order", "cleared_us"}) {
    json other = twin;
    if (change == std::string("order")) {
      std::swap(other["alerts"][0], other["alerts"][1]);
    } else {
      other["alerts"][0][change] = 5;
    }
    const Difference difference = OfTwins({twin}, {other});
    EXPECT_EQ(difference.twins.changed, 1u) << change;
    EXPECT_THAT(difference.examples[0], HasSubstr("alerts")) << change;
  }
}

TEST_F(DiffTest, AlertsArePairedByCodeAndTheirSeverityIsCompared) {
  const Difference difference = OfEffects({RaisedOf("hot", "major"), RaisedOf("cold", "minor")},
                                          {RaisedOf("hot", "critical"), RaisedOf("wet", "minor")});
  EXPECT_EQ(difference.alerts.changed, 1u);
  EXPECT_EQ(difference.alerts.only_first, 1u);
  EXPECT_EQ(difference.alerts.only_second, 1u);
  ASSERT_EQ(difference.examples.size(), 3u);
  EXPECT_THAT(difference.examples, testing::Contains(testing::AllOf(
                                       HasSubstr(R"(alert "hot" of probe/"x", number 1, at )"),
                                       HasSubstr("major"), HasSubstr("critical"))));
}

TEST_F(DiffTest, CommandsArePairedByOccurrence) {
  const auto go = [](int n, int64_t time_us) { return CommandOf("go", n, time_us); };
  // Of different names the order between them does not count.
  EXPECT_TRUE(OfEffects({CommandOf("go", 1), CommandOf("stop", 1)},
                        {CommandOf("stop", 1), CommandOf("go", 1)})
                  .are_same());
  // Of one name it does.
  const Difference swapped =
      OfEffects({go(1, 1), go(2, 2), go(3, 3)}, {go(2, 1), go(1, 2), go(3, 3)});
  EXPECT_EQ(swapped.commands.changed, 2u);
  EXPECT_EQ(swapped.commands.same, 1u);
  const Difference fewer = OfEffects({go(1, 1), go(2, 2), go(3, 3)}, {go(1, 1), go(2, 2)});
  EXPECT_EQ(fewer.commands.same, 2u);
  EXPECT_EQ(fewer.commands.only_first, 1u);
  EXPECT_THAT(fewer.examples[0], HasSubstr(R"(command "go" of probe/"x", number 3, at )"));
}

// A command that is worth something for longer is another command.
TEST_F(DiffTest, ALifetimeThatDiffersIsADifference) {
  json shorter = CommandOf("go", 1);
  shorter["lifetime_us"] = 5'000'000;
  json longer = CommandOf("go", 1);
  longer["lifetime_us"] = 60'000'000;
  EXPECT_EQ(OfEffects({shorter}, {longer}).commands.changed, 1u);
}

TEST_F(DiffTest, AnotherTopicIsADifference) {
  json elsewhere = CommandOf("go", 1);
  elsewhere["topic"] = "elsewhere";
  EXPECT_EQ(OfEffects({CommandOf("go", 1)}, {elsewhere}).commands.changed, 1u);
}

TEST_F(DiffTest, DeadLettersArePairedByTheirError) {
  const auto letter = [](const char* error, const char* payload) {
    return EffectOf("deadletter", {{"error", error}, {"payload", payload}, {"lsn", "1"}});
  };
  const Difference difference =
      OfEffects({letter("bad", "{"), letter("worse", "[")}, {letter("bad", "}")});
  EXPECT_EQ(difference.dead_letters.changed, 1u);
  EXPECT_EQ(difference.dead_letters.only_first, 1u);
}

TEST_F(DiffTest, ExamplesAreBoundedAndTheFirstOnesByTime) {
  std::vector<json> effects;
  for (int64_t i = 20; i > 0; --i)
    effects.push_back(CommandOf("go" + std::to_string(i), 1, 1'000'000 * i));
  Write("a", {TwinOf("x")}, effects);
  Write("b", {}, {});
  const Difference difference = Compared(3);
  EXPECT_EQ(difference.commands.only_first, 20u);
  EXPECT_EQ(difference.twins.only_first, 1u);
  EXPECT_THAT(difference.examples,
              ElementsAre(HasSubstr("\"go1\""), HasSubstr("\"go2\""), HasSubstr("\"go3\"")));
  EXPECT_TRUE(Compared(0).examples.empty());
}

TEST_F(DiffTest, ALineThatIsNoneOfARunIsNamed) {
  const std::vector<std::string> wrong = {
      "not json",
      "[]",
      "{}",
      R"({"model":7})",
      "",
      R"({"model":"probe","id":7})",
      R"({"model":"probe","id":"y","repeats":7})",
      R"({"model":"probe","id":"y","state":7})",
      R"({"model":"probe","id":"y","alerts":7})",
      TwinOf("y").dump().substr(0, 60),
  };
  Write("a", {TwinOf("x"), TwinOf("y")});
  for (const std::string& line : wrong) {
    Write("b", {TwinOf("x")});
    std::ofstream(folder_ / "b/twins.jsonl", std::ios::app) << line << '\n';
    const Status status = Compare(folder_ / "a", folder_ / "b", 10).status();
    EXPECT_EQ(status.code(), Code::kDamaged) << line;
    EXPECT_THAT(status.message(), HasSubstr((folder_ / "b/twins.jsonl").string() + ":2")) << line;
  }
}

TEST_F(DiffTest, AnEffectThatIsNoneIsNamed) {
  Write("a", {}, {CommandOf("go", 1)});
  for (const char* change : {"/kind", "/twin", "/time_us", "/payload/name", "/model"}) {
    json wrong = CommandOf("go", 1);
    wrong[json::json_pointer(change)] = json::array({1});
    Write("b", {}, {CommandOf("go", 1), wrong});
    const Status status = Compare(folder_ / "a", folder_ / "b", 10).status();
    EXPECT_EQ(status.code(), Code::kDamaged) << change;
    EXPECT_THAT(status.message(), HasSubstr((folder_ / "b/effects.jsonl").string() + ":2"))
        << change;
  }
}

TEST_F(DiffTest, ARunThatIsNotThereIsNamed) {
  Write("a", {});
  for (const bool is_first : {false, true}) {
    const auto none = folder_ / "none";
    const Status status = is_first ? Compare(none, folder_ / "a", 10).status()
                                   : Compare(folder_ / "a", none, 10).status();
    EXPECT_EQ(status.code(), Code::kNotFound);
    EXPECT_THAT(status.message(), HasSubstr(none.string()));
  }
}

}  // namespace
}  // namespace gemel::playback
