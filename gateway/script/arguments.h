#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/script/interpreter.h"
#include "gateway/sdk/model.h"

namespace gemel::script {

// What functions that a script calls are given. All of these throw a Lua error that says what is
// allowed.

// What a time or a span of time may be: 300 years.
inline constexpr double kSecondsMax = 1e10;

// What the call works on. REQUIRES of the script: it is called by the gateway
const Subject& SubjectOf(lua_State* lua);

std::string_view TextAt(lua_State* lua, int index);
// A text, which a number is not: numbers turn into texts in more ways than one.
gemel_text CheckText(lua_State* lua, int argument);
// A number of seconds, as microseconds.
int64_t CheckSeconds(lua_State* lua, int argument);
// The members of the table at the argument by name, in order; none if it is nil. What they point at
// lives as long as the table; the list until the next call.
const std::vector<gemel_argument>& CheckArguments(lua_State* lua, int argument);

}  // namespace gemel::script
