#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <lua.hpp>

#include "gateway/base/limits.h"
#include "gateway/base/status.h"
#include "gateway/sdk/model.h"

namespace gemel::script {

struct Limits {
  uint64_t instructions = kScriptInstructionsMax;  // of one call
  size_t memory = kScriptMemoryMax;                // bytes of one interpreter
};

// What a call of the script works on; null outside of a call.
struct Subject {
  std::byte* state = nullptr;
  gemel_context* context = nullptr;
  const gemel_message* message = nullptr;
  const gemel_twin_message* twin_message = nullptr;
};

// One Lua state, for one thread at a time: a sandbox in which a script is a function of what it is
// given. There is no clock, no file, no chance and no address in it, tables are walked in order,
// and what the script made when it was read can't change. Its library throws C++ exceptions.
class Interpreter {
 public:
  // Runs the script, which must return a table. Errors begin with `name` and the line.
  // REQUIRES: `limits` is not zero
  static Result<std::unique_ptr<Interpreter>> Load(std::string_view name, std::string_view source,
                                                   const Limits& limits);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  static Interpreter& From(lua_State* lua) {
    return **static_cast<Interpreter**>(lua_getextraspace(lua));
  }
  lua_State* lua() { return lua_; }
  // Where the table that the script has returned stands on the stack, and its globals.
  static constexpr int kDefinition = 1;
  static constexpr int kEnvironment = 2;

  // Nothing that is reachable from the script changes after this. To be called once, before Call.
  Status Freeze();
  // Calls the function below its `arguments` on the stack, under the limits, and leaves `results`.
  // False if it fails; then nothing is left, and `failure` says why, with the line.
  bool Call(int arguments, int results, std::string& failure);

  // Takes work that is no instruction off what the call may do; throws a Lua error beyond it.
  void Charge(lua_Integer work);

  Subject subject;
  std::vector<gemel_argument> argument_buffer;  // of the effect that is being made; reused

 private:
  // A local variable of the script that outlives a call, and what it must hold.
  struct Variable {
    int function;  // in the registry
    int index;     // of its upvalue
    int value;     // in the registry
    std::string name;
  };

  explicit Interpreter(const Limits& limits) : limits_(limits) {}
  static void* Allocate(void* self, void* block, size_t old_size, size_t new_size);
  void Free(void* block, size_t size);
  static void Count(lua_State* lua, lua_Debug* at);
  // Throws that the call did too much, at the line of the function so far from the innermost one.
  void EndCall(int level);
  Status Read(std::string_view name, std::string_view source);
  Status RunPrelude();
  void TakeVariables();
  // Names a variable that the last call has changed, and puts it back; empty if there is none.
  std::string ChangedVariable();
  std::string TakeError();

  const Limits limits_;
  lua_State* lua_ = nullptr;
  size_t memory_ = 0;        // bytes that are allocated, see Allocate
  int64_t left_ = 0;         // instructions of this call
  bool is_calling_ = false;  // what the host itself does is not limited
  void* stack_ = nullptr;    // see Allocate
  void* texts_ = nullptr;
  struct Block {
    void* block = nullptr;
    size_t size = 0;
  };
  Block newest_;  // of those that are no objects
  std::vector<Variable> variables_;
};

}  // namespace gemel::script
