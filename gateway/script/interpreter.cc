#include "gateway/script/interpreter.h"

#include <bit>
#include <cstdlib>
#include <new>

#include <fmt/format.h>

namespace gemel::script {

extern const std::string_view kPreludeText;

namespace {

// Instructions between two looks at how many there were.
constexpr int kCountEvery = 1'000;
// Of one text: comparing two is one instruction.
constexpr size_t kTextBytesMax = 66'000;
// Where the prelude leaves its function that freezes, and the variables that it has found.
constexpr int kFreeze = 3;
constexpr int kVariables = 4;

// Of the two on top. Numbers by type and bits: 1 and 1.0 are equal to Lua, and so are two zeros.
bool IsSame(lua_State* lua) {
  if (lua_type(lua, -1) != LUA_TNUMBER || lua_type(lua, -2) != LUA_TNUMBER)
    return lua_rawequal(lua, -1, -2) != 0;
  if (lua_isinteger(lua, -1) != lua_isinteger(lua, -2)) return false;
  if (lua_isinteger(lua, -1) != 0) return lua_tointeger(lua, -1) == lua_tointeger(lua, -2);
  return std::bit_cast<uint64_t>(lua_tonumber(lua, -1)) ==
         std::bit_cast<uint64_t>(lua_tonumber(lua, -2));
}

int ChargeFor(lua_State* lua) {
  Interpreter::From(lua).Charge(luaL_checkinteger(lua, 1));
  return 0;
}

}  // namespace

Result<std::unique_ptr<Interpreter>> Interpreter::Load(std::string_view name,
                                                       std::string_view source,
                                                       const Limits& limits) {
  std::unique_ptr<Interpreter> made(new Interpreter(limits));
  made->lua_ = lua_newstate(&Allocate, made.get());
  if (made->lua_ == nullptr) return Invalid(fmt::format("{}: not enough memory", name));
  *static_cast<Interpreter**>(lua_getextraspace(made->lua_)) = made.get();
  GEMEL_TRY(made->RunPrelude());
  GEMEL_TRY(made->Read(name, source));
  return made;
}

Interpreter::~Interpreter() {
  if (lua_ != nullptr) lua_close(lua_);
}

void* Interpreter::Allocate(void* self, void* block, size_t old_size, size_t new_size) {
  auto& interpreter = *static_cast<Interpreter*>(self);
  if (block == nullptr) {
    // The size before tells the kind of the object then.
    const bool is_text = old_size == LUA_TSTRING;
    if (is_text && interpreter.is_calling_ && new_size > kTextBytesMax) return nullptr;
    old_size = 0;
  }
  if (new_size == 0) {
    interpreter.memory_ -= old_size;
    std::free(block);
    return nullptr;
  }
  if (interpreter.is_calling_ && new_size > old_size &&
      interpreter.memory_ + (new_size - old_size) > interpreter.limits_.memory) {
    // Lua looks for garbage in all of it then.
    interpreter.left_ -= static_cast<int64_t>(interpreter.memory_ / 256);
    return nullptr;
  }
  void* const moved = std::realloc(block, new_size);
  if (moved == nullptr) return nullptr;
  interpreter.memory_ += new_size - old_size;
  // Copying much is work that no instruction shows.
  if (new_size > old_size) interpreter.left_ -= static_cast<int64_t>(new_size / 1'024);
  return moved;
}

void Interpreter::Count(lua_State* lua, lua_Debug*) {
  Interpreter& interpreter = From(lua);
  interpreter.left_ -= kCountEvery;
  interpreter.Charge(0);
}

void Interpreter::Charge(lua_Integer work) {
  if (work > 0) left_ -= work;
  if (left_ >= 0) return;
  // From now on at every instruction, so that no pcall of the script keeps it going.
  lua_sethook(lua_, &Count, LUA_MASKCOUNT, 1);
  luaL_error(lua_, "ran for more than %I instructions",
             static_cast<LUAI_UACINT>(limits_.instructions));
}

bool Interpreter::Call(int arguments, int results, std::string& failure) {
  left_ = static_cast<int64_t>(limits_.instructions);
  lua_sethook(lua_, &Count, LUA_MASKCOUNT, kCountEvery);
  is_calling_ = true;
  const int outcome = lua_pcall(lua_, arguments, results, 0);
  is_calling_ = false;
  lua_sethook(lua_, nullptr, 0, 0);
  if (outcome != LUA_OK) failure = TakeError();
  if (std::string changed = ChangedVariable(); !changed.empty() && outcome == LUA_OK) {
    lua_pop(lua_, results);
    failure = fmt::format(
        "changes {}, a local variable of the script; what changes belongs into the twin's state",
        changed);
    return false;
  }
  return outcome == LUA_OK;
}

std::string Interpreter::TakeError() {
  std::string error = lua_type(lua_, -1) == LUA_TSTRING
                          ? lua_tostring(lua_, -1)
                          : fmt::format("an error that is a {}", luaL_typename(lua_, -1));
  lua_pop(lua_, 1);
  return error;
}

Status Interpreter::RunPrelude() {
  left_ = INT64_MAX;
  lua_pushcfunction(lua_, [](lua_State* lua) {
    luaL_openlibs(lua);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, &ChargeFor);
    lua_setfield(lua, -2, "charge");
    if (luaL_loadbufferx(lua, kPreludeText.data(), kPreludeText.size(), "=prelude", "t") != LUA_OK)
      return lua_error(lua);
    lua_insert(lua, -2);
    lua_call(lua, 1, 3);
    return 3;
  });
  lua_pushnil(lua_);  // the place of the definition
  lua_insert(lua_, kDefinition);
  if (lua_pcall(lua_, 0, 3, 0) != LUA_OK) return Invalid(TakeError());
  return Status::Ok();
}

Status Interpreter::Read(std::string_view name, std::string_view source) {
  const std::string chunk = fmt::format("@{}", name);
  if (luaL_loadbufferx(lua_, source.data(), source.size(), chunk.c_str(), "t") != LUA_OK)
    return Invalid(TakeError());
  lua_pushvalue(lua_, kEnvironment);
  lua_setupvalue(lua_, -2, 1);
  if (std::string failure; !Call(0, 1, failure)) return Invalid(failure);
  if (!lua_istable(lua_, -1)) {
    return Invalid(fmt::format("{}: it returns a {}; a script ends with the table of its model",
                               name, luaL_typename(lua_, -1)));
  }
  lua_replace(lua_, kDefinition);
  return Status::Ok();
}

Status Interpreter::Freeze() {
  lua_pushvalue(lua_, kFreeze);
  lua_pushvalue(lua_, kDefinition);
  // As many instructions as there are cells in its tables.
  left_ = INT64_MAX;
  is_calling_ = true;
  const int outcome = lua_pcall(lua_, 1, 0, 0);
  is_calling_ = false;
  if (outcome != LUA_OK) return Invalid(TakeError());
  TakeVariables();
  return Status::Ok();
}

void Interpreter::TakeVariables() {
  const auto count = static_cast<lua_Integer>(lua_rawlen(lua_, kVariables));
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_rawgeti(lua_, kVariables, i);
    Variable variable{};
    lua_rawgeti(lua_, -1, 4);
    variable.value = luaL_ref(lua_, LUA_REGISTRYINDEX);
    lua_rawgeti(lua_, -1, 3);
    variable.name = lua_tostring(lua_, -1);
    lua_rawgeti(lua_, -2, 2);
    variable.index = static_cast<int>(lua_tointeger(lua_, -1));
    lua_pop(lua_, 2);
    lua_rawgeti(lua_, -1, 1);
    variable.function = luaL_ref(lua_, LUA_REGISTRYINDEX);
    lua_pop(lua_, 1);
    variables_.push_back(std::move(variable));
  }
}

std::string Interpreter::ChangedVariable() {
  std::string changed;
  for (const Variable& variable : variables_) {
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, variable.function);
    lua_getupvalue(lua_, -1, variable.index);
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, variable.value);
    if (!IsSame(lua_)) {
      changed = variable.name;
      lua_setupvalue(lua_, -3, variable.index);
      lua_pushnil(lua_);
    }
    lua_pop(lua_, 3);
  }
  return changed;
}

}  // namespace gemel::script
