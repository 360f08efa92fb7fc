#include "gateway/playback/twin_line.h"

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/playback/collector.h"
#include "gateway/sdk/model.hpp"
#include "gateway/twin/table.h"
#include "tests/twin/lab.h"

namespace gemel::playback {
namespace {

using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Mode : uint8_t { kIdle, kBusy };

// A field of each type, with an event time and without.
struct Typed {
  struct State {
    Last<double> number;
    Last<int64_t> integer;
    Last<bool> truth;
    Last<Time> time;
    Last<Symbol> symbol;
    Last<Text<30>> text;
    double own_number = 0;
    int64_t own_integer = 0;
    Time own_time = kNoTime;
    Symbol own_symbol;
    Text<62> own_text;
    Mode mode = Mode::kIdle;
    bool own_truth = false;
  };
  static constexpr const char* kName = "typed";
  static constexpr const char* kMeaning = "A field of each type.";
  static const Fields<State>& fields() {
    static constexpr const char* kModes[] = {"idle", "busy"};
    static const Fields<State> kFields = {
        telemetry(&State::number, "number", "degC", "A number."),
        telemetry(&State::integer, "integer", "", "An integer."),
        telemetry(&State::truth, "truth", "", "A truth."),
        telemetry(&State::time, "time", "", "A time."),
        telemetry(&State::symbol, "symbol", "", "A symbol."),
        telemetry(&State::text, "text", "", "A text."),
        computed(&State::own_number, "own_number", "", "A number."),
        computed(&State::own_integer, "own_integer", "", "An integer."),
        computed(&State::own_time, "own_time", "", "A time."),
        computed(&State::own_symbol, "own_symbol", "", "A symbol."),
        computed(&State::own_text, "own_text", "", "A text."),
        computed(&State::mode, "mode", kModes, "A choice."),
        computed(&State::own_truth, "own_truth", "", "A truth."),
    };
    return kFields;
  }
  explicit Typed(const Setup&) {}
  void on_telemetry(State&, const Message&, Context&) const {}
};

class TwinLineTest : public ::testing::Test {
 protected:
  TwinLineTest() {
    twin::ModelEntry entry;
    entry.model = model::Model::Create(*ModelTable<Typed>(), {.name = "typed"}).value();
    world_.symbols = &symbols_;
    world_.models.push_back(std::move(entry));
    const model::Model& model = *world_.models[0].model;
    for (const char* name : {"zulu", "alpha", "mike", "kilo"}) {
      world_.routes.push_back(
          {.name = name,
           .model = 0,
           .telemetry = route::Template::Parse(std::string(name) + "/{id}").value(),
           .fields = codec::FieldMap::Compile(model.fields(), {}).value()});
    }
  }

  // Of a new twin, once `change` has been at it.
  template <typename Change>
  std::string LineOf(const Change& change, std::string_view id = "t-1") {
    Collector collector(world_);
    twin::Engine engine(world_, collector);
    twin::Twin& twin = engine.Restore(0, HashKey("typed", id), id);
    change(twin, *reinterpret_cast<Typed::State*>(twin.state()));
    store::TwinBatch batch;
    batch.Add(twin, sizeof(Typed::State), engine);
    std::string line;
    batch.ForEach(sizeof(Typed::State), [&](const store::CopiedTwin& copied) {
      AppendTwinLine(copied, world_, 0, line);
    });
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return line;
  }
  template <typename Change>
  nlohmann::json StateOf(const Change& change) {
    return nlohmann::json::parse(
        LineOf([&](twin::Twin&, Typed::State& state) { change(state); }))["state"];
  }

  Symbols symbols_;
  twin::World world_;
};

constexpr Time kAt{std::chrono::microseconds{1'700'000'000'123'456}};

TEST_F(TwinLineTest, ANewTwinHasEveryFieldAndNothingElse) {
  EXPECT_EQ(LineOf([](twin::Twin&, Typed::State&) {}),
            R"({"model":"typed","id":"t-1","lsn":"0","telemetry_us":null,"state":{"number":null,)"
            R"("integer":null,"truth":null,"time":null,"symbol":null,"text":null,"own_number":0,)"
            R"("own_integer":0,"own_time":null,"own_symbol":null,"own_text":null,"mode":"idle",)"
            R"("own_truth":false},"at_us":{},"seen_us":{},"alerts":[],"timers":[],"commands":[],)"
            R"("told":{},"repeats":""})");
}

TEST_F(TwinLineTest, WhatSomebodyHasSaidOfTheDeviceIsNamed) {
  EXPECT_THAT(LineOf([](twin::Twin& twin, Typed::State&) {
                twin.MakeSide().told = {{"own_text", twin::Teller::kTopic},
                                        {"own_number", twin::Teller::kPerson}};
              }),
              testing::HasSubstr(R"("told":{"own_number":"person","own_text":"topic"},"repeats")"));
}

TEST_F(TwinLineTest, NothingIsRoundedOrLeftOut) {
  const auto number = [&](double value) {
    return StateOf([&](Typed::State& state) { state.own_number = value; })["own_number"];
  };
  EXPECT_EQ(number(0.1), 0.1);
  EXPECT_EQ(number(std::numeric_limits<double>::denorm_min()),
            std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(number(std::numeric_limits<double>::max()), std::numeric_limits<double>::max());
  EXPECT_EQ(number(kInfinity), "inf");
  EXPECT_EQ(number(-kInfinity), "-inf");
  EXPECT_EQ(number(kNoNumber), nullptr);
  const auto integer = [&](int64_t value) {
    return StateOf([&](Typed::State& state) { state.own_integer = value; })["own_integer"];
  };
  EXPECT_EQ(integer((int64_t{1} << 53) + 1).get<int64_t>(), (int64_t{1} << 53) + 1);
  EXPECT_EQ(integer(INT64_MAX).get<int64_t>(), INT64_MAX);
  EXPECT_EQ(integer(INT64_MIN + 1).get<int64_t>(), INT64_MIN + 1);
  EXPECT_EQ(integer(INT64_MIN), nullptr);  // what stands for null
  EXPECT_EQ(StateOf([](Typed::State& state) { state.own_time = kAt; })["own_time"],
            1'700'000'000'123'456);
}

TEST_F(TwinLineTest, TextsAndSymbolsComeBackAsTheyWere) {
  const std::string text("q\"b\\s/\x01\t\n\r\x7F\0z\u00e9\u20ac\U0001F600", 22);
  EXPECT_EQ(
      StateOf([&](Typed::State& state) { state.own_text = std::string_view(text); })["own_text"],
      text);
  const Symbol symbol = symbols_.Intern("s\"\n\u00fc").value();
  const auto state = StateOf([&](Typed::State& its) {
    its.own_symbol = symbol;
    its.symbol.Set(symbol, kAt);
    its.mode = Mode::kBusy;
  });
  EXPECT_EQ(state["own_symbol"], "s\"\n\u00fc");
  EXPECT_EQ(state["symbol"], "s\"\n\u00fc");
  EXPECT_EQ(state["mode"], "busy");
}

TEST_F(TwinLineTest, EventTimesAreThoseOfReportedFieldsInMicroseconds) {
  const auto line = nlohmann::json::parse(LineOf([](twin::Twin& twin, Typed::State& state) {
    state.number.Set(1, kAt);
    state.text.Set(std::string_view(), Time{});  // reported, and null
    twin.last_telemetry = kAt + Duration(1);
    twin.applied_lsn = MakeLsn(0x12, 0x345);
  }));
  EXPECT_EQ(line["at_us"], nlohmann::json({{"number", 1'700'000'000'123'456}, {"text", 0}}));
  EXPECT_EQ(line["state"]["text"], nullptr);
  EXPECT_EQ(line["telemetry_us"], 1'700'000'000'123'457);
  EXPECT_EQ(std::stoull(line["lsn"].get<std::string>(), nullptr, 16), MakeLsn(0x12, 0x345));
}

TEST_F(TwinLineTest, RoutesStandInTheOrderOfTheirNamesHoweverTheyCame) {
  std::vector<uint16_t> order = {0, 1, 2, 3};
  std::set<std::string> lines;
  do {
    lines.insert(LineOf([&](twin::Twin& twin, Typed::State&) {
      for (const uint16_t route : order) {
        twin.SeenBy(route) = Time{Duration{route + 10}};
        twin.MakeSide().RepeatsOf(route).HasSeenId(route, 4);
      }
    }));
  } while (std::ranges::next_permutation(order).found);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(*lines.begin(), HasSubstr(R"("seen_us":{"alpha":11,"kilo":13,"mike":12,"zulu":10})"));
}

TEST_F(TwinLineTest, AlertsStandInTheOrderInWhichTheyWereRaised) {
  const auto line = nlohmann::json::parse(LineOf([](twin::Twin& twin, Typed::State&) {
    twin.MakeSide().alerts.push_back({.id = {MakeLsn(1, 2), 3},
                                      .severity = GEMEL_MAJOR,
                                      .code = "zz",
                                      .message = "said \"so\"\n",
                                      .properties = R"({"a":1.50})",
                                      .first = kAt,
                                      .last = kAt + Duration(1),
                                      .count = 7});
    twin.MakeSide().alerts.push_back(
        {.id = {MakeLsn(1, 3), 0}, .severity = GEMEL_INFO, .code = "a"});
  }));
  ASSERT_EQ(line["alerts"].size(), 2u);
  const nlohmann::json& first = line["alerts"][0];
  EXPECT_EQ(first["code"], "zz");
  EXPECT_EQ(first["message"], "said \"so\"\n");
  EXPECT_EQ(first["properties"], R"({"a":1.50})");  // as text, to the digit
  EXPECT_EQ(first["first_us"], 1'700'000'000'123'456);
  EXPECT_EQ(first["count"], 7);
}

// A saved row has no negative zero, so a twin that was restored must not be told from one that was
// not.
TEST_F(TwinLineTest, ANegativeZeroIsAZero) {
  const auto zero = [&](double value) {
    return LineOf([&](twin::Twin&, Typed::State& state) {
      state.own_number = value;
      state.number.Set(value, kAt);
    });
  };
  EXPECT_EQ(zero(-0.0), zero(0.0));
}

TEST_F(TwinLineTest, TwinsThatDifferInAnythingHaveDifferentLines) {
  using Change = std::function<void(twin::Twin&, Typed::State&)>;
  const Symbol one = symbols_.Intern("one").value();
  const Symbol two = symbols_.Intern("two").value();
  std::vector<Change> changes = {[](twin::Twin&, Typed::State&) {}};
  const auto state = [&](auto change) {
    changes.push_back([change](twin::Twin&, Typed::State& its) { change(its); });
  };
  const auto twin = [&](auto change) {
    changes.push_back([change](twin::Twin& its, Typed::State&) { change(its); });
  };
  for (const double value : {1.0, 1.0 + 1e-15, std::nextafter(1.0, 0.0), 9007199254740993.0, 1e300,
                             kInfinity, -kInfinity, kNoNumber, 5e-324}) {
    state([=](auto& its) { its.own_number = value; });
    state([=](auto& its) { its.number.Set(value, kAt); });
    state([=](auto& its) { its.number.Set(value, kAt + Duration(1)); });
  }
  for (const int64_t value : {INT64_MIN, INT64_MIN + 1, int64_t{-1}, int64_t{1} << 53,
                              (int64_t{1} << 53) + 1, INT64_MAX - 1, INT64_MAX}) {
    state([=](auto& its) { its.own_integer = value; });
    state([=](auto& its) { its.integer.Set(value, kAt); });
  }
  for (const int64_t us :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'000}, int64_t{1'700'000'000'123'456}}) {
    state([=](auto& its) { its.own_time = Time{Duration{us}}; });
    state([=](auto& its) { its.time.Set(Time{Duration{us}}, kAt); });
    twin([=](auto& its) { its.last_telemetry = Time{Duration{us}}; });
    twin([=](auto& its) { its.SeenBy(1) = Time{Duration{us}}; });
    twin([=](auto& its) { its.SeenBy(2) = Time{Duration{us}}; });
  }
  for (const std::string text : {"a", "a ", "A", "\"", "\\", "\\\"", "null", "\x01", "\n", "\\n",
                                 "\u00e9", "e\u0301", "\xFF", "\xFE", "\xFF\xFF", "\uFFFD"}) {
    state([=](auto& its) { its.own_text = std::string_view(text); });
    state([=](auto& its) { its.text.Set(std::string_view(text), kAt); });
  }
  for (const Symbol symbol : {one, two}) {
    state([=](auto& its) { its.own_symbol = symbol; });
    state([=](auto& its) { its.symbol.Set(symbol, kAt); });
  }
  state([](auto& its) { its.symbol.Set(Symbol{}, kAt); });
  state([](auto& its) { its.mode = Mode::kBusy; });
  state([](auto& its) { its.own_truth = true; });
  state([](auto& its) { its.truth.Set(true, kAt); });
  state([](auto& its) { its.truth.Set(false, kAt); });
  twin([](auto& its) { its.applied_lsn = 1; });
  twin([](auto& its) { its.applied_lsn = MakeLsn(1, 1); });
  for (const twin::Alert& alert :
       {twin::Alert{.severity = 1, .code = "a"}, twin::Alert{.severity = 2, .code = "a"},
        twin::Alert{.severity = 1, .code = "b"},
        twin::Alert{.id = {1, 0}, .severity = 1, .code = "a"},
        twin::Alert{.id = {0, 1}, .severity = 1, .code = "a"},
        twin::Alert{.severity = 1, .code = "a", .message = "m"},
        twin::Alert{.severity = 1, .code = "a", .properties = "{}"},
        twin::Alert{.severity = 1, .code = "a", .first = kAt},
        twin::Alert{.severity = 1, .code = "a", .last = kAt},
        twin::Alert{.severity = 1, .code = "a", .count = 2}}) {
    twin([=](auto& its) { its.MakeSide().alerts = {alert}; });
  }
  twin([](auto& its) { its.MakeSide().alerts.resize(2); });
  twin([](auto& its) { its.MakeSide().RepeatsOf(0).HasSeenId(1, 4); });
  twin([](auto& its) { its.MakeSide().RepeatsOf(0).HasSeenId(2, 4); });
  twin([](auto& its) { its.MakeSide().RepeatsOf(1).HasSeenId(1, 4); });
  twin([](auto& its) { its.MakeSide().RepeatsOf(0).HasSeenNumber(1, 4); });
  std::map<std::string, size_t> lines;
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto [same, is_new] = lines.emplace(LineOf(changes[i]), i);
    EXPECT_TRUE(is_new) << "changes " << same->second << " and " << i << ": " << same->first;
  }
  EXPECT_FALSE(lines.contains(LineOf(changes[0], "t-2")));
}

}  // namespace
}  // namespace gemel::playback
