#include "gateway/script/windows.h"

#include <algorithm>
#include <iterator>

#include "gateway/script/window_calls.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/sdk/sketches.hpp"
#include "gateway/sdk/windows.hpp"

namespace gemel::script {
namespace {

// As a table; nil for those of nothing.
int PushMoments(lua_State* lua, const Moments& moments) {
  if (moments.count() == 0) {
    lua_pushnil(lua);
    return 1;
  }
  lua_createtable(lua, 0, 6);
  PushCount(lua, moments.count());
  lua_setfield(lua, -2, "count");
  for (const auto& [name, value] : {std::pair{"sum", moments.sum()},
                                    {"mean", moments.mean()},
                                    {"min", moments.min()},
                                    {"max", moments.max()},
                                    {"deviation", moments.deviation()}}) {
    PushNumber(lua, value);
    lua_setfield(lua, -2, name);
  }
  return 1;
}

template <uint32_t kSize>
struct RingOf {
  using Window = Ring<double, kSize>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         window.Add(CheckNumber(lua, 2));
         return 0;
       }},
      // From the oldest, 1, to the newest, count().
      {"get",
       [](lua_State* lua) {
         const Window& ring = Self<Window>(lua);
         const lua_Integer index = luaL_checkinteger(lua, 2);
         luaL_argcheck(lua, index >= 1 && index <= std::min(ring.size(), kSize), 2,
                       "from 1 to count()");
         return PushNumber(lua, ring[static_cast<uint32_t>(index - 1)]);
       }},
      {"count", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).size()); }},
      {"is_full", [](lua_State* lua) { return PushFlag(lua, Self<Window>(lua).is_full()); }},
      {nullptr, nullptr}};
};

struct MomentsOf {
  using Window = Moments;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         window.Add(CheckNumber(lua, 2));
         return 0;
       }},
      {"reset",
       [](lua_State* lua) {
         Self<Window>(lua) = {};
         return 0;
       }},
      {"all", [](lua_State* lua) { return PushMoments(lua, Self<Window>(lua)); }},
      {"count", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).count()); }},
      {"sum", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).sum()); }},
      {"mean", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).mean()); }},
      {"min", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).min()); }},
      {"max", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).max()); }},
      {"deviation", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).deviation()); }},
      {nullptr, nullptr}};
};

struct TumblingOf {
  using Window = Tumbling;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         const auto ended = window.Add(at, value, CheckSpan(lua, 4));
         return PushMoments(lua, ended.value_or(Moments()));
       }},
      {"current", [](lua_State* lua) { return PushMoments(lua, Self<Window>(lua).current()); }},
      {"last", [](lua_State* lua) { return PushMoments(lua, Self<Window>(lua).last()); }},
      {"late", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).late()); }},
      {nullptr, nullptr}};
};

template <uint32_t kSize>
struct SlidingOf {
  using Window = Sliding<kSize>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         return PushFlag(lua, window.Add(at, value, CheckSpan(lua, 4)));
       }},
      {"at",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         Interpreter::From(lua).Charge(kSize);
         return PushMoments(lua, window.At(CheckTime(lua, 2)));
       }},
      {"late", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).late()); }},
      {nullptr, nullptr}};
};

struct EwmaOf {
  using Window = Ewma;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         const double value = CheckNumber(lua, 3);
         return PushFlag(lua, window.Add(at, value, CheckSpan(lua, 4)));
       }},
      {"mean", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).mean()); }},
      {"deviation", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).deviation()); }},
      {nullptr, nullptr}};
};

struct RateOf {
  using Window = Rate;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         return PushNumber(lua, window.Add(at, CheckNumber(lua, 3)));
       }},
      {"add_counter",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         return PushNumber(lua, window.AddCounter(at, CheckNumber(lua, 3)));
       }},
      {nullptr, nullptr}};
};

// States are numbered from 1.
template <uint32_t kSize>
struct TimeInStateOf {
  using Window = TimeInState<kSize>;
  static uint32_t CheckState(lua_State* lua, int argument) {
    const lua_Integer state = luaL_checkinteger(lua, argument);
    luaL_argcheck(lua, state >= 1 && state <= lua_Integer{kSize}, argument,
                  "a state: from 1 to the field's size");
    return static_cast<uint32_t>(state - 1);
  }
  static constexpr luaL_Reg kMethods[] = {
      {"enter",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const Time at = CheckTime(lua, 2);
         return PushFlag(lua, window.Enter(at, CheckState(lua, 3)));
       }},
      {"spent",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const uint32_t state = CheckState(lua, 2);
         return PushNumber(lua, ToSeconds(window.Spent(state, CheckTime(lua, 3))));
       }},
      {"state",
       [](lua_State* lua) {
         const auto state = Self<Window>(lua).state();
         if (state) return PushCount(lua, *state + 1);
         lua_pushnil(lua);
         return 1;
       }},
      {nullptr, nullptr}};
};

struct QuantileOf {
  using Window = P2Quantile;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const double share = CheckNumber(lua, 3);
         luaL_argcheck(lua, share > 0 && share < 1, 3, "a share between 0 and 1");
         window.Add(CheckNumber(lua, 2), share);
         return 0;
       }},
      {"value", [](lua_State* lua) { return PushNumber(lua, Self<Window>(lua).value()); }},
      {"count", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).count()); }},
      {nullptr, nullptr}};
};

template <uint32_t kSize>
struct SketchOf {
  using Window = DdSketch<kSize, 10>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         return PushFlag(lua, window.Add(CheckNumber(lua, 2)));
       }},
      {"quantile",
       [](lua_State* lua) {
         Window& window = Self<Window>(lua);
         const double share = CheckNumber(lua, 2);
         luaL_argcheck(lua, share >= 0 && share <= 1, 2, "a share from 0 to 1");
         Interpreter::From(lua).Charge(kSize);
         return PushNumber(lua, window.Quantile(share));
       }},
      {"count", [](lua_State* lua) { return PushCount(lua, Self<Window>(lua).count()); }},
      {nullptr, nullptr}};
};

struct DistinctOf {
  static constexpr lua_Integer kRegisters = 256;
  static constexpr size_t kBytesAnInstruction = 8;  // that it hashes
  using Window = HyperLogLog<8>;
  static constexpr luaL_Reg kMethods[] = {
      {"add",
       [](lua_State* lua) {
         Window& sketch = Self<Window>(lua);
         if (lua_isinteger(lua, 2) != 0) {
           sketch.Add(static_cast<uint64_t>(lua_tointeger(lua, 2)));
         } else {
           const std::string_view text = ToView(CheckText(lua, 2));
           Interpreter::From(lua).Charge(
               static_cast<lua_Integer>(text.size() / kBytesAnInstruction));
           sketch.Add(text);
         }
         return 0;
       }},
      {"count",
       [](lua_State* lua) {
         Interpreter::From(lua).Charge(kRegisters);
         return PushNumber(lua, Self<Window>(lua).Count());
       }},
      {nullptr, nullptr}};
};

constexpr WindowKind kWindows[] = {
    KindOf<RingOf<8>>("ring", 8),
    KindOf<RingOf<32>>("ring", 32),
    KindOf<RingOf<128>>("ring", 128),
    KindOf<MomentsOf>("moments"),
    KindOf<TumblingOf>("tumbling"),
    KindOf<SlidingOf<12>>("sliding", 12),
    KindOf<SlidingOf<24>>("sliding", 24),
    KindOf<SlidingOf<60>>("sliding", 60),
    KindOf<EwmaOf>("ewma"),
    KindOf<RateOf>("rate"),
    KindOf<TimeInStateOf<4>>("time_in_state", 4),
    KindOf<TimeInStateOf<8>>("time_in_state", 8),
    KindOf<QuantileOf>("quantile"),
    KindOf<SketchOf<128>>("sketch", 128),
    KindOf<SketchOf<512>>("sketch", 512),
    KindOf<DistinctOf>("distinct"),
};

// The first kind that it is; nullptr if it is none.
template <typename Is>
const WindowKind* FindKind(const Is& is) {
  for (const std::span<const WindowKind> kinds :
       {std::span<const WindowKind>(kWindows), DetectorKinds()}) {
    const auto found = std::ranges::find_if(kinds, is);
    if (found != kinds.end()) return &*found;
  }
  return nullptr;
}

}  // namespace

const WindowKind* FindWindow(std::string_view type, uint32_t size) {
  return FindKind([&](const WindowKind& kind) { return kind.type == type && kind.size == size; });
}

std::vector<uint32_t> WindowSizes(std::string_view type) {
  std::vector<uint32_t> sizes;
  FindKind([&](const WindowKind& kind) {
    if (kind.type == type) sizes.push_back(kind.size);
    return false;
  });
  return sizes;
}

void BindWindows(lua_State* lua, std::span<const gemel_field> fields) {
  for (const gemel_field& field : fields) {
    if (field.type != GEMEL_WINDOW) continue;
    const std::string_view layout = field.choices[0];
    const WindowKind* const kind =
        FindKind([&](const WindowKind& one) { return one.layout == layout; });
    auto* const object =
        static_cast<const gemel_field**>(lua_newuserdatauv(lua, sizeof(const gemel_field*), 0));
    *object = &field;
    if (luaL_newmetatable(lua, kind->layout) != 0) {
      lua_newtable(lua);
      luaL_setfuncs(lua, kind->methods, 0);
      lua_setfield(lua, -2, "__index");
      lua_pushboolean(lua, 0);
      lua_setfield(lua, -2, "__metatable");
    }
    lua_setmetatable(lua, -2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &field);
  }
}

void PushWindow(lua_State* lua, const gemel_field& field) {
  lua_rawgetp(lua, LUA_REGISTRYINDEX, &field);
}

}  // namespace gemel::script
