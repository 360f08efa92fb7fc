#include "gateway/script/interpreter.h"

#include <bit>
#include <cstdlib>
#include <new>

#include <fmt/format.h>

#include "gateway/base/assert.h"

namespace gemel::script {

extern const std::string_view kPreludeText;

namespace {

// Instructions between two looks at how many there were.
constexpr int kCountEvery = 1'000;
// Of one text: comparing two is one instruction.
constexpr size_t kTextBytesMax = 66'000;
// Bytes of Lua's table of texts at its begin (MINSTRTABSIZE).
constexpr size_t kFirstTableOfTexts = 128 * sizeof(void*);
// Where the prelude leaves its function that freezes, and the variables that it has found.
constexpr int kFreeze = 3;
constexpr int kVariables = 4;

// Copying much is work that no instruction shows.
int64_t WorkOf(size_t bytes) { return static_cast<int64_t>(bytes / 1'024); }

// Of the two on top. Numbers by type and bits: 1 and 1.0 are equal to Lua, and so are two zeros.
bool IsSame(lua_State* lua) {
  if (lua_type(lua, -1) != LUA_TNUMBER || lua_type(lua, -2) != LUA_TNUMBER)
    return lua_rawequal(lua, -1, -2) != 0;
  if (lua_isinteger(lua, -1) != lua_isinteger(lua, -2)) return false;
  if (lua_isinteger(lua, -1) != 0) return lua_tointeger(lua, -1) == lua_tointeger(lua, -2);
  return std::bit_cast<uint64_t>(lua_tonumber(lua, -1)) ==
         std::bit_cast<uint64_t>(lua_tonumber(lua, -2));
}

// An error in one of the prelude's functions is that of the script's line which has called it.
int AddLine(lua_State* lua) {
  constexpr std::string_view kOurs = "prelude:";
  if (lua_type(lua, 1) != LUA_TSTRING) return 1;
  const std::string_view error = lua_tostring(lua, 1);
  const size_t text = error.find(": ", kOurs.size());
  if (!error.starts_with(kOurs) || text == std::string_view::npos) return 1;
  lua_Debug at{};
  for (int level = 1; lua_getstack(lua, level, &at) != 0; ++level) {
    lua_getinfo(lua, "Sl", &at);
    if (*at.source != '@' || at.currentline <= 0) continue;
    lua_pushfstring(lua, "%s:%d%s", at.short_src, at.currentline, error.data() + text);
    return 1;
  }
  return 1;
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
  GEMEL_ASSERT(made->stack_ != nullptr && made->texts_ != nullptr);
  *static_cast<Interpreter**>(lua_getextraspace(made->lua_)) = made.get();
  GEMEL_TRY(made->RunPrelude());
  GEMEL_TRY(made->Read(name, source));
  return made;
}

Interpreter::~Interpreter() {
  if (lua_ != nullptr) lua_close(lua_);
}

// What grows and shrinks with what the interpreter has done before counts for no call, or whether
// one passes would depend on earlier ones: Lua's stack, which Lua bounds itself, and its table of
// texts. In Lua 5.4 the stack is the first block that is no object (stack_init), and a larger one
// is allocated just before the old one is freed (luaD_reallocstack); the table is the first block
// of its size (luaS_init), and is moved.
void* Interpreter::Allocate(void* self, void* block, size_t old_size, size_t new_size) {
  auto& interpreter = *static_cast<Interpreter*>(self);
  if (new_size == 0) {
    interpreter.Free(block, old_size);
    return nullptr;
  }
  // Without a block the size before tells the kind of the object; zero is none.
  const bool is_text = block == nullptr && old_size == LUA_TSTRING;
  const bool is_raw = block == nullptr && old_size == 0;
  if (is_text && interpreter.is_calling_ && new_size > kTextBytesMax) return nullptr;
  if (block == nullptr) old_size = 0;
  const bool is_first_stack = is_raw && interpreter.stack_ == nullptr;
  const bool is_table = block == interpreter.texts_ &&
                        (block != nullptr || (is_raw && new_size == kFirstTableOfTexts));
  if (is_first_stack || is_table) {
    void* const moved = std::realloc(block, new_size);
    if (moved != nullptr) (is_table ? interpreter.texts_ : interpreter.stack_) = moved;
    return moved;
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
  if (new_size > old_size) interpreter.left_ -= WorkOf(new_size);
  if (is_raw) interpreter.newest_ = {moved, new_size};
  return moved;
}

void Interpreter::Free(void* block, size_t size) {
  if (block != nullptr && block == stack_) {
    stack_ = newest_.block;
    memory_ -= newest_.size;
    left_ += WorkOf(newest_.size);
  } else if (block != nullptr) {
    memory_ -= size;
  }
  std::free(block);
}

void Interpreter::Count(lua_State* lua, lua_Debug*) {
  Interpreter& interpreter = From(lua);
  interpreter.left_ -= kCountEvery;
  // The function that is counted is the innermost one here.
  if (interpreter.left_ < 0) interpreter.EndCall(0);
}

void Interpreter::Charge(lua_Integer work) {
  if (work > 0) left_ -= work;
  if (left_ < 0) EndCall(1);
}

void Interpreter::EndCall(int level) {
  // From now on at every instruction, so that no pcall of the script keeps it going.
  lua_sethook(lua_, &Count, LUA_MASKCOUNT, 1);
  luaL_where(lua_, level);
  lua_pushfstring(lua_, "ran for more than %I instructions",
                  static_cast<LUAI_UACINT>(limits_.instructions));
  lua_concat(lua_, 2);
  lua_error(lua_);
}

bool Interpreter::Call(int arguments, int results, std::string& failure) {
  left_ = static_cast<int64_t>(limits_.instructions);
  lua_sethook(lua_, &Count, LUA_MASKCOUNT, kCountEvery);
  const int handler = lua_gettop(lua_) - arguments;
  lua_pushcfunction(lua_, &AddLine);
  lua_insert(lua_, handler);
  is_calling_ = true;
  const int outcome = lua_pcall(lua_, arguments, results, handler);
  is_calling_ = false;
  lua_sethook(lua_, nullptr, 0, 0);
  lua_remove(lua_, handler);
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
