// Detectors and fences as types of a script's field.

#include "gateway/sdk/detectors.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/script/window_calls.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/sdk/geofence.hpp"

namespace gemel::script {
namespace {

int PushShift(lua_State* lua, Shift shift) {
  return PushName(lua, shift == Shift::kNone ? nullptr : shift == Shift::kUp ? "up" : "down");
}

// The settings of a detector: a table of numbers with names, of which some have a default.
class Settings {
 public:
  // `names` are all that it may hold.
  Settings(lua_State* lua, int argument, std::initializer_list<const char*> names)
      : lua_(lua), argument_(argument) {
    for (const gemel_argument& one : CheckArguments(lua, argument)) {
      const std::string_view name = ToView(one.name);
      if (std::ranges::find(names, name) != names.end()) continue;
      const std::string wrong =
          fmt::format("no setting {}; there are {}", name, fmt::join(names, ", "));
      luaL_argerror(lua, argument, wrong.c_str());
    }
  }
  double Number(const char* name, std::optional<double> otherwise = std::nullopt) const {
    for (const gemel_argument& one : Interpreter::From(lua_).argument_buffer) {
      if (ToView(one.name) != name) continue;
      if (one.value.type == GEMEL_DOUBLE) return one.value.as.number;
      if (one.value.type == GEMEL_INT64) return static_cast<double>(one.value.as.integer);
      Fail(name, "must be a number");
    }
    if (!otherwise) Fail(name, "is missing");
    return *otherwise;
  }
  // In seconds.
  Duration Span(const char* name, std::optional<double> otherwise = std::nullopt) const {
    const double seconds = Number(name, otherwise);
    if (!(seconds >= 1e-6 && seconds <= kSecondsMax)) Fail(name, "must be a span in seconds");
    return Duration{std::llround(seconds * 1e6)};
  }
  uint32_t Count(const char* name, uint32_t otherwise) const {
    const double count = Number(name, otherwise);
    if (!(count >= 0 && count <= 1e9)) Fail(name, "must be a number of readings");
    return static_cast<uint32_t>(count);
  }

 private:
  void Fail(const char* name, const char* what) const {
    luaL_argerror(lua_, argument_, fmt::format("{} {}", name, what).c_str());
  }

  lua_State* lua_;
  int argument_;
};

struct ZScoreOf {
  using Window = ZScore;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         const Settings settings(lua, 4, {"tau", "deviation_min", "warm_up"});
         return PushNumber(lua, window.Add(at, value,
                                           {.tau = settings.Span("tau"),
                                            .deviation_min = settings.Number("deviation_min", 1e-9),
                                            .warm_up = settings.Count("warm_up", 30)}));
       }},
      {nullptr, nullptr}};
};

template <uint32_t kSize>
struct SpikeOf {
  using Window = Spike<kSize>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const double value = CheckNumber(lua, 2);
         const Settings settings(lua, 3, {"limit", "deviation_min"});
         Interpreter::From(lua).Charge(kSize * kSize / 4);  // it sorts them
         return PushFlag(
             lua, window.Add(value, {.limit = settings.Number("limit", 5),
                                     .deviation_min = settings.Number("deviation_min", 1e-9)}));
       }},
      {nullptr, nullptr}};
};

struct TrendOf {
  using Window = TrendChange;
  static const char* NameOf(TrendChange::Trend trend) {
    switch (trend) {
      case TrendChange::Trend::kFalls:
        return "falls";
      case TrendChange::Trend::kRises:
        return "rises";
      case TrendChange::Trend::kFlat:
        break;
    }
    return "flat";
  }
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         const Settings settings(lua, 4, {"tau_level", "tau_slope", "slope", "warm_up"});
         const auto changed = window.Add(at, value,
                                         {.tau_level = settings.Span("tau_level"),
                                          .tau_slope = settings.Span("tau_slope"),
                                          .slope = settings.Number("slope"),
                                          .warm_up = settings.Count("warm_up", 10)});
         return PushName(lua, changed ? NameOf(*changed) : nullptr);
       }},
      {"trend", [](lua_State* lua) { return PushName(lua, NameOf(Self<Window>(lua).trend())); }},
      {"slope", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).slope()); }},
      {nullptr, nullptr}};
};

struct CusumOf {
  using Window = Cusum;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const double value = CheckNumber(lua, 2);
         const Settings settings(lua, 3, {"target", "slack", "limit"});
         return PushShift(lua, window.Add(value, {.target = settings.Number("target"),
                                                  .slack = settings.Number("slack"),
                                                  .limit = settings.Number("limit")}));
       }},
      {"reset",
       [](lua_State* lua) {
         Self<Window>(lua).Reset();
         return 0;
       }},
      {nullptr, nullptr}};
};

struct PageHinkleyOf {
  using Window = PageHinkley;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const double value = CheckNumber(lua, 2);
         const Settings settings(lua, 3, {"tolerance", "limit", "warm_up"});
         return PushShift(lua, window.Add(value, {.tolerance = settings.Number("tolerance"),
                                                  .limit = settings.Number("limit"),
                                                  .warm_up = settings.Count("warm_up", 30)}));
       }},
      {"mean", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).mean()); }},
      {nullptr, nullptr}};
};

template <uint32_t kSize>
struct SeasonalOf {
  using Window = Seasonal<kSize>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         const Settings settings(lua, 4, {"period", "begin", "weight", "deviation_min", "warm_up"});
         const double begin = settings.Number("begin", 0);
         luaL_argcheck(lua, std::abs(begin) <= kSecondsMax, 4, "begin must be a time in seconds");
         const typename Window::Settings its{
             .period = settings.Span("period", 86'400),
             .begin = Time{Duration{std::llround(begin * 1e6)}},
             .weight = settings.Number("weight", 0.05),
             .deviation_min = settings.Number("deviation_min", 1e-9),
             .warm_up = settings.Count("warm_up", 5)};
         luaL_argcheck(lua, its.period.count() >= int64_t{kSize}, 4, "period is too short");
         return PushNumber(lua, window.Add(at, value, its));
       }},
      {nullptr, nullptr}};
};

struct FenceOf {
  using Window = FenceState;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double distance_m = CheckNumber(lua, 3);
         const double hysteresis_m = CheckNumber(lua, 4);
         luaL_argcheck(lua, hysteresis_m >= 0, 4, "metres, 0 or more");
         const Crossing crossing = window.Add(at, distance_m, hysteresis_m);
         return PushName(lua, crossing == Crossing::kNone      ? nullptr
                              : crossing == Crossing::kEntered ? "entered"
                                                               : "left");
       }},
      {"is_inside", [](lua_State* lua) { return PushFlag(lua, Self<Window>(lua).is_inside()); }},
      {"since", [](lua_State* lua) { return PushTime(lua, Self<Window>(lua).since()); }},
      {nullptr, nullptr}};
};

constexpr WindowKind kDetectors[] = {
    KindOf<ZScoreOf>("z_score"),
    KindOf<SpikeOf<7>>("spike", 7),
    KindOf<SpikeOf<15>>("spike", 15),
    KindOf<SpikeOf<31>>("spike", 31),
    KindOf<TrendOf>("trend"),
    KindOf<CusumOf>("cusum"),
    KindOf<PageHinkleyOf>("page_hinkley"),
    KindOf<SeasonalOf<24>>("seasonal", 24),
    KindOf<SeasonalOf<168>>("seasonal", 168),
    KindOf<FenceOf>("fence"),
};

}  // namespace

std::span<const WindowKind> DetectorKinds() { return kDetectors; }

}  // namespace gemel::script
