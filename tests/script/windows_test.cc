// Windows and detectors as scripts use them: the same figures as in C++.

#include "gateway/script/windows.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/detectors.hpp"
#include "gateway/sdk/geofence.hpp"
#include "gateway/sdk/sketches.hpp"
#include "gateway/sdk/testing.hpp"
#include "gateway/sdk/windows.hpp"

namespace gemel::script {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr Time kStart{seconds(1'700'000'000)};

// A script whose field w is of the given type, on a file of its own.
class Probe {
 public:
  Probe(const std::string& type, const std::string& body)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("gemel-windows-{}.lua", ::getpid())) {
    std::ofstream(path_) << fmt::format(R"(
local function f(x)
  if math.type(x) == "float" then return string.format("%.12g", x) end
  return tostring(x)
end
return {{
  name = "probe", meaning = "A probe.",
  fields = {{
    {{ name = "x", type = "double", from = "telemetry", meaning = "A number." }},
    {{ name = "w", {}, meaning = "A window." }},
    {{ name = "said", type = "text", capacity = 200, meaning = "What came of it." }},
  }},
  on_telemetry = function(state, message, context)
    local w, t, x = state.w, message.time, message:get("x")
    {}
  end,
}})",
                                        type, body);
  }
  ~Probe() { std::filesystem::remove(path_); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  TestKitBase Kit() const { return {path_, {.time_pointer = "/t", .start = kStart}}; }

 private:
  std::filesystem::path path_;
};

std::string Text(double number) {
  return std::isnan(number) ? "nil" : fmt::format("{:.12g}", number);
}
std::string Text(std::optional<double> number) { return Text(number.value_or(kNoNumber)); }
std::string Text(const Moments& all) {
  if (all.count() == 0) return "nil";
  return fmt::format("{} {} {} {} {} {}", all.count(), Text(all.sum()), Text(all.mean()),
                     Text(all.min()), Text(all.max()), Text(all.deviation()));
}
std::string Text(Shift shift) {
  return shift == Shift::kNone ? "nil" : shift == Shift::kUp ? "up" : "down";
}

constexpr const char* kMoments =
    "local function m(a) if a == nil then return 'nil' end return table.concat({ f(a.count), "
    "f(a.sum), f(a.mean), f(a.min), f(a.max), f(a.deviation) }, ' ') end ";

struct Case {
  std::string name;
  std::string type;
  std::string body;                                                // sets state.said
  std::function<std::function<std::string(Time, double)>()> make;  // the same in C++
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

template <typename Window, typename Act>
std::function<std::function<std::string(Time, double)>()> With(Act act) {
  return [act] {
    return [window = Window(), act](Time at, double x) mutable { return act(window, at, x); };
  };
}

std::vector<Case> WindowCases() {
  return {
      {"ring", "type = 'ring', size = 8",
       "w:add(x) state.said = f(w:count()) .. f(w:is_full()) .. f(w:get(1)) .. f(w:get(w:count()))",
       With<Ring<double, 8>>([](auto& w, Time, double x) {
         w.Add(x);
         return fmt::format("{}{}{}{}", w.size(), w.is_full(), Text(w[0]), Text(w.newest()));
       })},
      {"moments", "type = 'moments'",
       std::string(kMoments) + "if x > 200 then w:reset() end w:add(x) state.said = m(w:all())",
       With<Moments>([](auto& w, Time, double x) {
         if (x > 200) w = {};
         w.Add(x);
         return Text(w);
       })},
      {"tumbling", "type = 'tumbling'",
       std::string(kMoments) + "local e = w:add(t, x, 60) state.said = m(e) .. '|' .. "
                               "f(w:current().count) .. f(w:late())",
       With<Tumbling>([](auto& w, Time at, double x) {
         const auto ended = w.Add(at, x, minutes(1));
         return fmt::format("{}|{}{}", Text(ended.value_or(Moments())), w.current().count(),
                            w.late());
       })},
      {"sliding", "type = 'sliding', size = 12",
       std::string(kMoments) +
           "local a = w:add(t, x, 10) state.said = f(a) .. m(w:at(t)) .. f(w:late())",
       With<Sliding<12>>([](auto& w, Time at, double x) {
         const bool is_added = w.Add(at, x, seconds(10));
         return fmt::format("{}{}{}", is_added, Text(w.At(at)), w.late());
       })},
      {"ewma", "type = 'ewma'",
       "w:add(t, x, 30) state.said = f(w:mean()) .. ' ' .. f(w:deviation())",
       With<Ewma>([](auto& w, Time at, double x) {
         w.Add(at, x, seconds(30));
         return Text(w.mean()) + ' ' + Text(w.deviation());
       })},
      {"rate", "type = 'rate'", "state.said = f(w:add(t, x))",
       With<Rate>([](auto& w, Time at, double x) { return Text(w.Add(at, x)); })},
      {"counter", "type = 'rate'", "state.said = f(w:add_counter(t, x))",
       With<Rate>([](auto& w, Time at, double x) { return Text(w.AddCounter(at, x)); })},
      {"time_in_state", "type = 'time_in_state', size = 4",
       "w:enter(t, x > 100 and 2 or 1) state.said = f(w:spent(1, t)) .. ' ' .. f(w:spent(2, t)) .. "
       "f(w:state())",
       With<TimeInState<4>>([](auto& w, Time at, double x) {
         w.Enter(at, x > 100 ? 1 : 0);
         return Text(ToSeconds(w.Spent(0, at))) + ' ' + Text(ToSeconds(w.Spent(1, at))) +
                std::to_string(*w.state() + 1);
       })},
      {"quantile", "type = 'quantile'", "w:add(x, 0.9) state.said = f(w:value()) .. f(w:count())",
       With<P2Quantile>([](auto& w, Time, double x) {
         w.Add(x, 0.9);
         return Text(w.value()) + std::to_string(w.count());
       })},
      {"sketch", "type = 'sketch', size = 128",
       "w:add(x) state.said = f(w:quantile(0.5)) .. f(w:count())",
       With<DdSketch<128, 10>>([](auto& w, Time, double x) {
         w.Add(x);
         return Text(w.Quantile(0.5)) + std::to_string(w.count());
       })},
  };
}

std::vector<Case> SketchAndDetectorCases() {
  return {
      {"distinct", "type = 'distinct'", "w:add(math.floor(x)) state.said = f(w:count())",
       With<HyperLogLog<8>>([](auto& w, Time, double x) {
         w.Add(static_cast<uint64_t>(std::floor(x)));
         return Text(w.Count());
       })},
      {"z_score", "type = 'z_score'", "state.said = f(w:add(t, x, { tau = 8.2, warm_up = 5 }))",
       With<ZScore>([](auto& w, Time at, double x) {
         return Text(w.Add(at, x, {.tau = Duration(8'200'000), .warm_up = 5}));
       })},
      {"spike", "type = 'spike', size = 7", "state.said = f(w:add(x, { limit = 3 }))",
       With<Spike<7>>(
           [](auto& w, Time, double x) { return fmt::format("{}", w.Add(x, {.limit = 3})); })},
      {"trend", "type = 'trend'",
       "local c = w:add(t, x, { tau_level = 30, tau_slope = 60, slope = 0.05 }) state.said = f(c) "
       ".. w:trend() .. f(w:slope())",
       With<TrendChange>([](auto& w, Time at, double x) {
         const auto name = [](TrendChange::Trend trend) {
           return trend == TrendChange::Trend::kFlat    ? "flat"
                  : trend == TrendChange::Trend::kRises ? "rises"
                                                        : "falls";
         };
         const auto changed =
             w.Add(at, x, {.tau_level = seconds(30), .tau_slope = minutes(1), .slope = 0.05});
         return fmt::format("{}{}{}", changed ? name(*changed) : "nil", name(w.trend()),
                            Text(w.slope()));
       })},
      {"cusum", "type = 'cusum'",
       "local s = w:add(x, { target = 100, slack = 2, limit = 40 }) if s then w:reset() end "
       "state.said = f(s)",
       With<Cusum>([](auto& w, Time, double x) {
         const Shift shift = w.Add(x, {.target = 100, .slack = 2, .limit = 40});
         if (shift != Shift::kNone) w.Reset();
         return Text(shift);
       })},
      {"page_hinkley", "type = 'page_hinkley'",
       "local s = w:add(x, { tolerance = 1, limit = 50, warm_up = 10 }) state.said = f(s) .. "
       "f(w:mean())",
       With<PageHinkley>([](auto& w, Time, double x) {
         const Shift shift = w.Add(x, {.tolerance = 1, .limit = 50, .warm_up = 10});
         return Text(shift) + Text(w.mean());
       })},
      {"seasonal", "type = 'seasonal', size = 24",
       "state.said = f(w:add(t, x, { period = 240, warm_up = 2 }))",
       With<Seasonal<24>>([](auto& w, Time at, double x) {
         return Text(w.Add(at, x, {.period = minutes(4), .warm_up = 2}));
       })},
      {"fence", "type = 'fence'",
       "state.said = f(w:add(t, x - 100, 5)) .. f(w:is_inside()) .. f(w:since())",
       With<FenceState>([](auto& w, Time at, double x) {
         const Crossing crossing = w.Add(at, x - 100, 5);
         const double since = static_cast<double>(w.since().time_since_epoch().count()) / 1e6;
         return fmt::format("{}{}{}",
                            crossing == Crossing::kNone      ? "nil"
                            : crossing == Crossing::kEntered ? "entered"
                                                             : "left",
                            w.is_inside(), Text(since));
       })},
  };
}

std::vector<Case> Cases() {
  std::vector<Case> all = WindowCases();
  std::vector<Case> more = SketchAndDetectorCases();
  for (Case& one : more) all.push_back(std::move(one));
  return all;
}

class WindowsTest : public testing::TestWithParam<Case> {};

TEST_P(WindowsTest, AScriptHasTheSameFiguresAsCpp) {
  const Case& its = GetParam();
  const Probe probe(its.type, its.body);
  TestKitBase kit = probe.Kit();
  const auto native = its.make();
  std::mt19937_64 random(7);
  Time at = kStart;
  std::set<std::string> seen;
  for (int i = 0; i < 300; ++i) {
    // Now and then one comes late.
    const auto late = seconds(random() % 10 == 0 ? 300 : 0);
    at += std::chrono::milliseconds(random() % 20'000);
    // Around 100, then around 130.
    const double x = (i < 150 ? 100.0 : 130.0) + std::sin(i) * 20 +
                     static_cast<double>(random() % 1'000) / 100 + (random() % 50 == 0 ? 100 : 0);
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(at - late).time_since_epoch();
    kit.Feed("p", fmt::format(R"({{"t": {}, "x": {}}})", ms.count(), x));
    const std::string said = native(Time(ms), x);
    ASSERT_EQ(kit.Field("p", "said"), '"' + said + '"') << "reading " << i;
    seen.insert(said);
  }
  EXPECT_GT(seen.size(), 1u) << "it says the same of everything";
}

INSTANTIATE_TEST_SUITE_P(All, WindowsTest, testing::ValuesIn(Cases()),
                         [](const auto& made) { return made.param.name; });

// Why the first message fails, or the script itself.
std::string Failure(const std::string& type, const std::string& body) {
  const Probe probe(type, body);
  try {
    probe.Kit().Feed("p", R"({"t": 1700000000000, "x": 1})");
  } catch (const MessageRefused& refused) {
    return refused.what();
  } catch (const std::exception& wrong) {
    return wrong.what();
  }
  return "";
}

TEST(WindowErrorsTest, AWrongDeclarationIsNamed) {
  EXPECT_THAT(Failure("type = 'ring'", ""), HasSubstr("size is missing; 8, 32, 128"));
  EXPECT_THAT(Failure("type = 'ring', size = 9", ""), HasSubstr("size must be one of 8, 32, 128"));
  EXPECT_THAT(Failure("type = 'ewma', size = 8", ""), HasSubstr("size"));
  EXPECT_THAT(Failure("type = 'ewma', default = 8", ""), HasSubstr("default"));
  EXPECT_THAT(Failure("type = 'ewma', from = 'telemetry'", ""), HasSubstr("only the script"));
  EXPECT_THAT(Failure("type = 'ewna'", ""), HasSubstr("type"));
}

TEST(WindowErrorsTest, AWrongCallIsNamedAndChangesNothing) {
  EXPECT_THAT(Failure("type = 'ewma'", "w.add(x)"), HasSubstr("call it with a colon"));
  EXPECT_THAT(Failure("type = 'ewma'", "w:add(t, x, 0)"), HasSubstr("more than 0 seconds"));
  EXPECT_THAT(Failure("type = 'ewma'", "w:add(t, 'x', 1)"), HasSubstr("number expected"));
  EXPECT_THAT(Failure("type = 'ewma'", "w:add(1e30, x, 1)"), HasSubstr("no time in seconds"));
  EXPECT_THAT(Failure("type = 'ewma'", "w:add(0/0, x, 1)"), HasSubstr("no time in seconds"));
  EXPECT_EQ(Failure("type = 'ewma'", "w:add(-62135596800, x, 1)"), "") << "the first year";
  EXPECT_THAT(Failure("type = 'ewma'", "w:add(-62135596801, x, 1)"), HasSubstr("no time in"));
  EXPECT_THAT(Failure("type = 'ewma'", "state.w = nil"), HasSubstr("w is a window"));
  EXPECT_THAT(Failure("type = 'ewma'", "w.add = nil"), HasSubstr("attempt to index"));
  EXPECT_THAT(Failure("type = 'ring', size = 8", "w:get(1)"), HasSubstr("from 1 to count()"));
  EXPECT_THAT(Failure("type = 'ring', size = 8", "w:add(x) w:get(2)"), HasSubstr("from 1 to"));
  EXPECT_THAT(Failure("type = 'time_in_state', size = 4", "w:enter(t, 5)"), HasSubstr("a state"));
  EXPECT_THAT(Failure("type = 'quantile'", "w:add(x, 1)"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(Failure("type = 'z_score'", "w:add(t, x, { warmup = 5 })"),
              HasSubstr("no setting warmup; there are tau, deviation_min, warm_up"));
  EXPECT_THAT(Failure("type = 'z_score'", "w:add(t, x)"), HasSubstr("tau is missing"));
  EXPECT_THAT(Failure("type = 'z_score'", "w:add(t, x, { tau = 0 })"), HasSubstr("tau must be"));
  EXPECT_THAT(Failure("type = 'z_score'", "w:add(t, x, { tau = 1, warm_up = -1 })"),
              HasSubstr("warm_up must be"));
  EXPECT_THAT(Failure("type = 'seasonal', size = 24", "w:add(t, x, { period = 1e-6 })"),
              HasSubstr("period is too short"));
  EXPECT_THAT(Failure("type = 'cusum'", "w:add(x, { target = 'x', slack = 1, limit = 1 })"),
              HasSubstr("target must be a number"));
  EXPECT_THAT(Failure("type = 'distinct'",
                      "local t = string.rep('x', 60000) for i = 1, 1e4 do w:add(t) end"),
              HasSubstr("instructions"));
  EXPECT_THAT(Failure("type = 'spike', size = 31", "for i = 1, 1e6 do w:add(i, {}) end"),
              HasSubstr("instructions"));
}

// A window belongs to its twin and is saved with it; the object that stands for it holds nothing.
TEST(WindowStateTest, EachTwinHasItsOwn) {
  const Probe probe("type = 'moments'", "w:add(x) state.said = tostring(w:count())");
  TestKitBase kit = probe.Kit();
  for (const char* id : {"p", "p", "q"}) kit.Feed(id, R"({"t": 1700000000000, "x": 1})");
  EXPECT_EQ(kit.Field("p", "said"), "\"2\"");
  EXPECT_EQ(kit.Field("q", "said"), "\"1\"");
  EXPECT_EQ(kit.Field("q", "w"), R"({"layout":"moments/1","bytes":40})");
}

TEST(WindowStateTest, AFailedCallLeavesItAsItWas) {
  const Probe probe("type = 'moments'",
                    "w:add(x) state.said = tostring(w:count()) if x > 5 then error('no') end");
  TestKitBase kit = probe.Kit();
  kit.Feed("p", R"({"t": 1700000000000, "x": 1})");
  EXPECT_THROW(kit.Feed("p", R"({"t": 1700000000001, "x": 6})"), MessageRefused);
  kit.Feed("p", R"({"t": 1700000000002, "x": 1})");
  EXPECT_EQ(kit.Field("p", "said"), "\"2\"");
}

}  // namespace
}  // namespace gemel::script
