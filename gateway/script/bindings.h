#pragma once

#include <span>
#include <string>

#include "gateway/script/interpreter.h"
#include "gateway/sdk/model.h"

namespace gemel::script {

// The arguments of a script's functions, made once for an interpreter: what they mean is the
// interpreter's subject. Numbers in its registry.
struct Bindings {
  int state = LUA_NOREF;
  int context = LUA_NOREF;
  int message = LUA_NOREF;
};

// `fields` outlive the interpreter.
Bindings Bind(Interpreter& interpreter, std::span<const gemel_field> fields);

// Pushes the message as a table: from_model, from_id, name, arguments.
void PushTwinMessage(lua_State* lua, const gemel_twin_message& message,
                     const gemel_context& context);

// Pushes the value; times as seconds since the Unix epoch, symbols as text (which needs a context).
void PushValue(lua_State* lua, const gemel_value& value, const gemel_context* context);

}  // namespace gemel::script
