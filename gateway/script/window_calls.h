#pragma once

#include <cmath>
#include <new>
#include <optional>

#include "gateway/base/time_text.h"
#include "gateway/script/arguments.h"
#include "gateway/script/interpreter.h"
#include "gateway/script/windows.h"
#include "gateway/sdk/types.hpp"

namespace gemel::script {

// What the functions of windows are made of.

// The state's window that the first argument stands for.
template <typename Window>
Window& Self(lua_State* lua) {
  const void* const object = luaL_testudata(lua, 1, Window::kLayout);
  if (object == nullptr) luaL_error(lua, "call it with a colon, as in state.recent:add(x)");
  const gemel_field& field = **static_cast<const gemel_field* const*>(object);
  return *std::launder(reinterpret_cast<Window*>(SubjectOf(lua).state + field.offset));
}

inline double CheckNumber(lua_State* lua, int argument) {
  luaL_checktype(lua, argument, LUA_TNUMBER);
  return lua_tonumber(lua, argument);
}

// A number of seconds since 1970, of all times that a message may have.
inline Time CheckTime(lua_State* lua, int argument) {
  const double us = std::round(CheckNumber(lua, argument) * 1e6);
  luaL_argcheck(lua, us >= static_cast<double>(kTimeMinUs) && us <= static_cast<double>(kTimeMaxUs),
                argument, "no time in seconds");
  return Time{Duration{static_cast<int64_t>(us)}};
}

// A span of time that is more than nothing.
inline Duration CheckSpan(lua_State* lua, int argument) {
  const Duration span{CheckSeconds(lua, argument)};
  luaL_argcheck(lua, span > Duration::zero(), argument, "more than 0 seconds");
  return span;
}

inline int PushNumber(lua_State* lua, double number) {
  if (std::isnan(number)) {
    lua_pushnil(lua);
  } else {
    lua_pushnumber(lua, number);
  }
  return 1;
}

inline int PushNumber(lua_State* lua, std::optional<double> number) {
  return PushNumber(lua, number.value_or(kNoNumber));
}

inline int PushCount(lua_State* lua, uint64_t count) {
  lua_pushinteger(lua, static_cast<lua_Integer>(count));
  return 1;
}

inline int PushFlag(lua_State* lua, bool flag) {
  lua_pushboolean(lua, flag ? 1 : 0);
  return 1;
}

inline int PushTime(lua_State* lua, Time time) {
  return PushNumber(lua, time == kNoTime
                             ? kNoNumber
                             : static_cast<double>(time.time_since_epoch().count()) / 1e6);
}

inline int PushName(lua_State* lua, const char* name) {
  if (name == nullptr) {
    lua_pushnil(lua);
  } else {
    lua_pushstring(lua, name);
  }
  return 1;
}

// A kind whose window and functions are Of's.
template <typename Of>
constexpr WindowKind KindOf(std::string_view type, uint32_t size = 0) {
  using Window = typename Of::Window;
  static_assert(alignof(Window) <= kWindowAlign);
  return {type,
          size,
          Window::kLayout,
          sizeof(Window),
          [](std::byte* state) { new (state) Window(); },
          Of::kMethods};
}

// Those of detectors, see sdk/detectors.hpp and geofence.hpp.
std::span<const WindowKind> DetectorKinds();

}  // namespace gemel::script
