#include "gateway/script/bindings.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/model/state.h"
#include "gateway/script/arguments.h"
#include "gateway/script/windows.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::script {
namespace {

constexpr gemel_value kNull{GEMEL_NULL, 0, {.integer = 0}};

// The upvalues of the functions that know the fields.
constexpr int kIndexes = 1;  // the table of numbers, by name
constexpr int kTable = 2;    // the first gemel_field

// The field whose name stands at the index, or an error.
const gemel_field& FieldAt(lua_State* lua, int name) {
  lua_pushvalue(lua, name);
  if (lua_rawget(lua, lua_upvalueindex(kIndexes)) != LUA_TNUMBER) {
    luaL_error(
        lua, "there is no field %s",
        lua_type(lua, name) == LUA_TSTRING ? lua_tostring(lua, name) : luaL_typename(lua, name));
  }
  const lua_Integer index = lua_tointeger(lua, -1);
  lua_pop(lua, 1);
  return static_cast<const gemel_field*>(lua_touserdata(lua, lua_upvalueindex(kTable)))[index];
}

int StateIndex(lua_State* lua) {
  const Subject& subject = SubjectOf(lua);
  const gemel_field& field = FieldAt(lua, 2);
  if (field.type == GEMEL_WINDOW) {
    PushWindow(lua, field);
  } else {
    PushValue(lua, model::ReadValue(field, subject.state), subject.context);
  }
  return 1;
}

// The value at the index as the field takes it; an error if it is of another type.
gemel_value ValueFor(lua_State* lua, const gemel_field& field, int index) {
  const int type = lua_type(lua, index);
  if (type == LUA_TNIL) return kNull;
  switch (field.type) {
    case GEMEL_BOOL:
      if (type == LUA_TBOOLEAN) return ToValue(lua_toboolean(lua, index) != 0);
      break;
    case GEMEL_INT64: {
      int is_integer = 0;
      const lua_Integer integer = lua_tointegerx(lua, index, &is_integer);
      if (type == LUA_TNUMBER && is_integer != 0) return ToValue(int64_t{integer});
      break;
    }
    case GEMEL_DOUBLE:
      if (type == LUA_TNUMBER) return ToValue(lua_tonumber(lua, index));
      break;
    case GEMEL_TIME:
      if (type == LUA_TNUMBER) return ToValue(Time{Duration{CheckSeconds(lua, index)}});
      break;
    default:
      if (type == LUA_TSTRING) return ToValue(TextAt(lua, index));
      break;
  }
  luaL_error(lua, "%s is a field of type %s and takes no %s", field.name,
             std::string(model::TypeName(field.type)).c_str(), luaL_typename(lua, index));
  return kNull;
}

int StateNewIndex(lua_State* lua) {
  const Subject& subject = SubjectOf(lua);
  const gemel_field& field = FieldAt(lua, 2);
  if (field.source != GEMEL_FROM_MODEL) {
    return luaL_error(lua, "%s is filled in from the %s, not by the script", field.name,
                      std::string(model::SourceName(field.source)).c_str());
  }
  if (field.type == GEMEL_WINDOW)
    return luaL_error(lua, "%s is a window, which changes by its own functions", field.name);
  const gemel_value value = ValueFor(lua, field, 3);
  if (field.choices_count == 0) {
    model::WriteValue(field, subject.state, value);
    return 0;
  }
  const std::string_view text =
      value.type == GEMEL_TEXT ? std::string_view(value.as.text, value.length) : "nil";
  const char* const* const end = field.choices + field.choices_count;
  if (std::find(field.choices, end, text) == end) {
    return luaL_error(lua, "%s is one of %s", field.name,
                      fmt::format("{}", fmt::join(field.choices, end, ", ")).c_str());
  }
  model::WriteChoice(field, subject.state, text);
  return 0;
}

const gemel_message& MessageOf(lua_State* lua) {
  const gemel_message* const message = Interpreter::From(lua).subject.message;
  if (message == nullptr) luaL_error(lua, "the message is there only in on_telemetry");
  return *message;
}

int MessageGet(lua_State* lua) {
  const gemel_message& message = MessageOf(lua);
  const gemel_field& field = FieldAt(lua, 2);
  const auto* const first =
      static_cast<const gemel_field*>(lua_touserdata(lua, lua_upvalueindex(kTable)));
  PushValue(lua, message.values[&field - first], SubjectOf(lua).context);
  return 1;
}

int MessageHas(lua_State* lua) {
  MessageGet(lua);
  lua_pushboolean(lua, lua_isnil(lua, -1) ? 0 : 1);
  return 1;
}

// The upvalue holds its methods.
int MessageIndex(lua_State* lua) {
  lua_pushvalue(lua, 2);
  if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  const gemel_message& message = MessageOf(lua);
  const std::string_view key = lua_type(lua, 2) == LUA_TSTRING ? TextAt(lua, 2) : "";
  if (key == "time") {
    lua_pushnumber(lua, static_cast<double>(message.time_us) / 1e6);
  } else if (key == "is_late") {
    lua_pushboolean(lua, (message.flags & GEMEL_MESSAGE_IS_LATE) != 0 ? 1 : 0);
  } else if (key == "route") {
    lua_pushlstring(lua, message.route.data, message.route.size);
  } else {
    return luaL_error(lua, "a message has time, is_late, route, get(name) and has(name)");
  }
  return 1;
}

int RefuseIndex(lua_State* lua) {
  return luaL_error(lua, "nothing can be set here; what changes is the state");
}

// Of a method of the context, whose first argument is the context itself.
gemel_context& ContextOf(lua_State* lua) {
  if (lua_type(lua, 1) != LUA_TUSERDATA)
    luaL_error(lua, "call it with a colon, as in context:clear(code)");
  return *SubjectOf(lua).context;
}

// Number of the text at the argument among `names`, counted from 1.
template <size_t kCount>
uint32_t CheckOneOf(lua_State* lua, int argument, const char* const (&names)[kCount]) {
  const std::string_view text = ToView(CheckText(lua, argument));
  const auto* const found = std::find(std::begin(names), std::end(names), text);
  if (found == std::end(names)) {
    const std::string all = fmt::format("not one of {}", fmt::join(names, ", "));
    luaL_argerror(lua, argument, all.c_str());
  }
  return static_cast<uint32_t>(found - std::begin(names)) + 1;
}

int Done(lua_State* lua, int result, const char* what) {
  if (result != 0) return luaL_error(lua, "%s: refused by the gateway", what);
  return 0;
}

int Now(lua_State* lua) {
  lua_pushnumber(lua, static_cast<double>(ContextOf(lua).now_us) / 1e6);
  return 1;
}

int Id(lua_State* lua) {
  const gemel_context& context = ContextOf(lua);
  lua_pushlstring(lua, context.id.data, context.id.size);
  return 1;
}

int Random(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  lua_pushinteger(lua, static_cast<lua_Integer>(context.host->random(&context)));
  return 1;
}

int Uniform(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  lua_pushnumber(lua, static_cast<double>(context.host->random(&context) >> 11) * 0x1.0p-53);
  return 1;
}

// When the device reported the field; nil if it never did.
int Reported(lua_State* lua) {
  const Subject& subject = SubjectOf(lua);
  const gemel_field& field = FieldAt(lua, 2);
  if (field.time_offset == GEMEL_NO_OFFSET)
    return luaL_error(lua, "%s is nothing that a device reports", field.name);
  const Time time = model::EventTimeOf(field, subject.state);
  PushValue(lua, ToValue(time), subject.context);
  return 1;
}

int Reply(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  const gemel_text name = CheckText(lua, 2);
  const auto& arguments = CheckArguments(lua, 3);
  const int64_t expires = lua_isnoneornil(lua, 4) ? 0 : CheckSeconds(lua, 4);
  return Done(lua, context.host->reply(&context, name, arguments.data(), arguments.size(), expires),
              "reply");
}

int Raise(lua_State* lua) {
  static constexpr const char* kSeverities[] = {"critical", "major", "minor", "warning", "info"};
  gemel_context& context = ContextOf(lua);
  const uint32_t severity = CheckOneOf(lua, 2, kSeverities);
  const gemel_text code = CheckText(lua, 3);
  const gemel_text message = CheckText(lua, 4);
  const auto& properties = CheckArguments(lua, 5);
  return Done(
      lua,
      context.host->raise(&context, severity, code, message, properties.data(), properties.size()),
      "raise");
}

int Clear(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  return Done(lua, context.host->clear(&context, CheckText(lua, 2)), "clear");
}

int IsActive(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  lua_pushboolean(lua, context.host->is_active(&context, CheckText(lua, 2)));
  return 1;
}

int SetTimer(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  const gemel_text name = CheckText(lua, 2);
  const int64_t after = CheckSeconds(lua, 3);
  const int64_t every = lua_isnoneornil(lua, 4) ? 0 : CheckSeconds(lua, 4);
  return Done(lua, context.host->set_timer(&context, name, after, every), "set_timer");
}

int CancelTimer(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  return Done(lua, context.host->cancel_timer(&context, CheckText(lua, 2)), "cancel_timer");
}

int HasTimer(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  lua_pushboolean(lua, context.host->has_timer(&context, CheckText(lua, 2)));
  return 1;
}

int Send(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  const gemel_text model = CheckText(lua, 2);
  const gemel_text id = CheckText(lua, 3);
  const gemel_text name = CheckText(lua, 4);
  const auto& arguments = CheckArguments(lua, 5);
  return Done(lua,
              context.host->send(&context, model, id, name, arguments.data(), arguments.size()),
              "send");
}

int Remove(lua_State* lua) {
  gemel_context& context = ContextOf(lua);
  // Not where a model's name is nil by mistake.
  if (lua_gettop(lua) == 1) return Done(lua, context.host->remove(&context, {}, {}), "remove");
  return Done(lua, context.host->remove(&context, CheckText(lua, 2), CheckText(lua, 3)), "remove");
}

int Log(lua_State* lua) {
  static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  gemel_context& context = ContextOf(lua);
  context.host->log(&context, CheckOneOf(lua, 2, kLevels), CheckText(lua, 3));
  return 0;
}

constexpr luaL_Reg kContextMethods[] = {
    {"now", &Now},
    {"id", &Id},
    {"random", &Random},
    {"uniform", &Uniform},
    {"reply", &Reply},
    {"raise", &Raise},
    {"clear", &Clear},
    {"is_active", &IsActive},
    {"set_timer", &SetTimer},
    {"cancel_timer", &CancelTimer},
    {"has_timer", &HasTimer},
    {"send", &Send},
    {"remove", &Remove},
    {"log", &Log},
    {nullptr, nullptr},
};

// Pushes a function that knows the fields; the table of their numbers is on top, and stays.
void PushFieldFunction(lua_State* lua, lua_CFunction function,
                       std::span<const gemel_field> fields) {
  lua_pushvalue(lua, -1);
  lua_pushlightuserdata(lua, const_cast<gemel_field*>(fields.data()));
  lua_pushcclosure(lua, function, 2);
}

// Makes an object of the metatable on top, which it takes, and keeps it.
int KeepObject(lua_State* lua) {
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_newuserdatauv(lua, 0, 0);
  lua_insert(lua, -2);
  lua_setmetatable(lua, -2);
  return luaL_ref(lua, LUA_REGISTRYINDEX);
}

}  // namespace

void PushValue(lua_State* lua, const gemel_value& value, const gemel_context* context) {
  switch (value.type) {
    case GEMEL_BOOL:
      lua_pushboolean(lua, value.as.integer != 0 ? 1 : 0);
      break;
    case GEMEL_INT64:
      lua_pushinteger(lua, value.as.integer);
      break;
    case GEMEL_DOUBLE:
      lua_pushnumber(lua, value.as.number);
      break;
    case GEMEL_TIME:
      lua_pushnumber(lua, static_cast<double>(value.as.integer) / 1e6);
      break;
    case GEMEL_SYMBOL: {
      const gemel_text text = context->host->symbol_text(const_cast<gemel_context*>(context),
                                                         static_cast<uint32_t>(value.as.integer));
      lua_pushlstring(lua, text.data, text.size);
      break;
    }
    case GEMEL_TEXT:
      lua_pushlstring(lua, value.as.text, value.length);
      break;
    default:
      lua_pushnil(lua);
  }
}

void PushTwinMessage(lua_State* lua, const gemel_twin_message& message,
                     const gemel_context& context) {
  lua_createtable(lua, 0, 4);
  const auto set_text = [&](const char* key, gemel_text text) {
    lua_pushlstring(lua, text.data, text.size);
    lua_setfield(lua, -2, key);
  };
  set_text("from_model", message.model);
  set_text("from_id", message.id);
  set_text("name", message.name);
  lua_createtable(lua, 0, static_cast<int>(message.arguments_count));
  for (size_t i = 0; i < message.arguments_count; ++i) {
    const gemel_argument& argument = message.arguments[i];
    lua_pushlstring(lua, argument.name.data, argument.name.size);
    PushValue(lua, argument.value, &context);
    lua_rawset(lua, -3);
  }
  lua_setfield(lua, -2, "arguments");
}

Bindings Bind(Interpreter& interpreter, std::span<const gemel_field> fields) {
  lua_State* const lua = interpreter.lua();
  BindWindows(lua, fields);
  Bindings bindings;
  lua_createtable(lua, 0, static_cast<int>(fields.size()));
  for (size_t i = 0; i < fields.size(); ++i) {
    lua_pushinteger(lua, static_cast<lua_Integer>(i));
    lua_setfield(lua, -2, fields[i].name);
  }
  const int indexes = lua_gettop(lua);
  const auto add = [&](const char* key, lua_CFunction function) {
    lua_pushvalue(lua, indexes);
    PushFieldFunction(lua, function, fields);
    lua_setfield(lua, -3, key);
    lua_pop(lua, 1);
  };

  lua_newtable(lua);
  add("__index", &StateIndex);
  add("__newindex", &StateNewIndex);
  bindings.state = KeepObject(lua);

  lua_newtable(lua);  // the metatable
  lua_newtable(lua);  // its methods
  luaL_setfuncs(lua, kContextMethods, 0);
  add("reported", &Reported);
  lua_setfield(lua, -2, "__index");
  bindings.context = KeepObject(lua);

  lua_newtable(lua);
  lua_newtable(lua);
  add("get", &MessageGet);
  add("has", &MessageHas);
  lua_pushcclosure(lua, &MessageIndex, 1);
  lua_setfield(lua, -2, "__index");
  bindings.message = KeepObject(lua);

  for (const int object : {bindings.context, bindings.message}) {
    lua_rawgeti(lua, LUA_REGISTRYINDEX, object);
    lua_getmetatable(lua, -1);
    lua_pushcfunction(lua, &RefuseIndex);
    lua_setfield(lua, -2, "__newindex");
    lua_pop(lua, 2);
  }
  lua_pop(lua, 1);
  return bindings;
}

}  // namespace gemel::script
