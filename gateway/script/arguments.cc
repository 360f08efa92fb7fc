#include "gateway/script/arguments.h"

#include <algorithm>
#include <cmath>

#include "gateway/sdk/arguments.hpp"

namespace gemel::script {
namespace {

// Leaves the content of the table at the argument on the stack: a frozen table keeps it elsewhere.
void PushContent(lua_State* lua, int argument) {
  lua_pushvalue(lua, argument);
  if (lua_getmetatable(lua, argument) == 0) return;
  lua_getfield(lua, -1, "__index");
  lua_replace(lua, -3);
  lua_pop(lua, 1);
}

// What a member costs, in instructions: it is copied, sorted and read.
constexpr lua_Integer kMemberWork = 10;

// Whatever is wrong with them: Lua walks a table in another order in each process.
constexpr const char* kWrongMembers = "its members must be numbers, texts or booleans with names";

}  // namespace

const Subject& SubjectOf(lua_State* lua) {
  const Subject& subject = Interpreter::From(lua).subject;
  if (subject.context == nullptr)
    luaL_error(lua, "state and context are there only while the script handles something");
  return subject;
}

std::string_view TextAt(lua_State* lua, int index) {
  size_t size = 0;
  const char* const text = lua_tolstring(lua, index, &size);
  return {text, size};
}

gemel_text CheckText(lua_State* lua, int argument) {
  luaL_checktype(lua, argument, LUA_TSTRING);
  return ToText(TextAt(lua, argument));
}

int64_t CheckSeconds(lua_State* lua, int argument) {
  luaL_checktype(lua, argument, LUA_TNUMBER);
  const double seconds = lua_tonumber(lua, argument);
  luaL_argcheck(lua, std::abs(seconds) <= kSecondsMax, argument, "no time in seconds");
  return std::llround(seconds * 1e6);
}

const std::vector<gemel_argument>& CheckArguments(lua_State* lua, int argument) {
  std::vector<gemel_argument>& found = Interpreter::From(lua).argument_buffer;
  found.clear();
  if (lua_isnoneornil(lua, argument)) return found;
  luaL_checktype(lua, argument, LUA_TTABLE);
  PushContent(lua, argument);
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    Interpreter::From(lua).Charge(kMemberWork);
    if (lua_type(lua, -2) != LUA_TSTRING) luaL_argerror(lua, argument, kWrongMembers);
    gemel_argument& added = found.emplace_back(gemel_argument{ToText(TextAt(lua, -2)), {}});
    switch (lua_type(lua, -1)) {
      case LUA_TBOOLEAN:
        added.value = ToValue(lua_toboolean(lua, -1) != 0);
        break;
      case LUA_TNUMBER:
        added.value = lua_isinteger(lua, -1) != 0 ? ToValue(int64_t{lua_tointeger(lua, -1)})
                                                  : ToValue(lua_tonumber(lua, -1));
        break;
      case LUA_TSTRING:
        added.value = ToValue(TextAt(lua, -1));
        break;
      default:
        luaL_argerror(lua, argument, kWrongMembers);
    }
    lua_pop(lua, 1);
  }
  lua_pop(lua, 1);
  std::ranges::sort(found, {}, [](const gemel_argument& one) { return ToView(one.name); });
  return found;
}

}  // namespace gemel::script
