#include "gateway/script/script.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/base/limits.h"
#include "gateway/script/bindings.h"
#include "gateway/script/definition.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::script {
namespace {

// A script that was read: what all models made of it share.
struct Source {
  std::string name;
  std::string text;
  Limits limits;
  Definition definition;
};

// An interpreter that is ready to run the model, for one thread.
struct Runner {
  std::unique_ptr<Interpreter> interpreter;
  Bindings bindings;
  std::array<int, kFunctionNames.size()> functions{};  // in the registry
};

using Rows = std::vector<std::vector<std::pair<std::string, std::string>>>;

void Push(lua_State* lua, std::string_view text) { lua_pushlstring(lua, text.data(), text.size()); }

void Push(lua_State* lua, const Scalar& value) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    lua_pushboolean(lua, *flag ? 1 : 0);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    lua_pushinteger(lua, *integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    lua_pushnumber(lua, *number);
  } else {
    Push(lua, std::string_view(std::get<std::string>(value)));
  }
}

// The object of a model: what `create` makes of a script. Its interpreters are made by the threads
// that first need them, and live as long as it.
class Program {
 public:
  Program(std::shared_ptr<const Source> source, std::map<std::string, Scalar> parameters,
          std::map<std::string, Rows> tables)
      : source_(std::move(source)),
        parameters_(std::move(parameters)),
        tables_(std::move(tables)) {}

  // Of the calling thread. Invalid if the script can't be read, as it could be before.
  Result<Runner*> ForThread() const;
  bool Run(Function function, const Subject& subject, gemel_text timer) const;

 private:
  Result<std::unique_ptr<Runner>> MakeRunner() const;
  void SetGlobals(lua_State* lua) const;

  static std::atomic<uint64_t> numbers;
  const uint64_t number_ = ++numbers;  // addresses come again, this does not
  const std::shared_ptr<const Source> source_;
  const std::map<std::string, Scalar> parameters_;
  const std::map<std::string, Rows> tables_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Runner>> runners_;
};

std::atomic<uint64_t> Program::numbers{0};

void Program::SetGlobals(lua_State* lua) const {
  lua_createtable(lua, 0, static_cast<int>(parameters_.size()));
  for (const auto& [name, value] : parameters_) {
    Push(lua, value);
    lua_setfield(lua, -2, name.c_str());
  }
  lua_setfield(lua, Interpreter::kEnvironment, "parameters");
  lua_createtable(lua, 0, static_cast<int>(tables_.size()));
  for (const auto& [name, rows] : tables_) {
    lua_createtable(lua, static_cast<int>(rows.size()), 0);
    for (size_t i = 0; i < rows.size(); ++i) {
      lua_createtable(lua, 0, static_cast<int>(rows[i].size()));
      for (const auto& [column, cell] : rows[i]) {
        Push(lua, std::string_view(cell));
        lua_setfield(lua, -2, column.c_str());
      }
      lua_rawseti(lua, -2, static_cast<lua_Integer>(i) + 1);
    }
    lua_setfield(lua, -2, name.c_str());
  }
  lua_setfield(lua, Interpreter::kEnvironment, "tables");
}

Result<std::unique_ptr<Runner>> Program::MakeRunner() const {
  auto runner = std::make_unique<Runner>();
  GEMEL_TRY_LET(runner->interpreter,
                Interpreter::Load(source_->name, source_->text, source_->limits));
  Interpreter& interpreter = *runner->interpreter;
  lua_State* const lua = interpreter.lua();
  SetGlobals(lua);
  GEMEL_TRY(interpreter.Freeze());
  runner->bindings = Bind(interpreter, source_->definition.fields);
  for (size_t i = 0; i < kFunctionNames.size(); ++i) {
    lua_getfield(lua, Interpreter::kDefinition, kFunctionNames[i]);
    runner->functions[i] = luaL_ref(lua, LUA_REGISTRYINDEX);
  }
  return runner;
}

Result<Runner*> Program::ForThread() const {
  // Few models run on a thread, so a list is the fastest to look in.
  thread_local std::vector<std::pair<uint64_t, Runner*>> known;
  for (const auto& [number, runner] : known) {
    if (number == number_) return runner;
  }
  GEMEL_TRY_LET(std::unique_ptr<Runner> made, MakeRunner());
  known.emplace_back(number_, made.get());
  const std::lock_guard lock(mutex_);
  return runners_.emplace_back(std::move(made)).get();
}

bool Program::Run(Function function, const Subject& subject, gemel_text timer) const {
  std::string failure;
  const auto fail = [&] {
    subject.context->host->fail(subject.context, ToText(failure));
    return false;
  };
  Result<Runner*> found = ForThread();
  if (!found.ok()) {
    failure = found.status().message();
    return fail();
  }
  Runner& runner = **found;
  lua_State* const lua = runner.interpreter->lua();
  lua_rawgeti(lua, LUA_REGISTRYINDEX, runner.functions[static_cast<size_t>(function)]);
  lua_rawgeti(lua, LUA_REGISTRYINDEX, runner.bindings.state);
  int arguments = 2;
  switch (function) {
    case Function::kInit:
      break;
    case Function::kTelemetry:
      lua_rawgeti(lua, LUA_REGISTRYINDEX, runner.bindings.message);
      arguments = 3;
      break;
    case Function::kTimer:
      lua_pushlstring(lua, timer.data, timer.size);
      arguments = 3;
      break;
    case Function::kMessage:
      PushTwinMessage(lua, *subject.twin_message, *subject.context);
      arguments = 3;
      break;
  }
  lua_rawgeti(lua, LUA_REGISTRYINDEX, runner.bindings.context);
  runner.interpreter->subject = subject;
  const bool is_done = runner.interpreter->Call(arguments, 0, failure);
  runner.interpreter->subject = {};
  return is_done || fail();
}

const Program& ProgramAt(const void* object) { return *static_cast<const Program*>(object); }

int OnInit(const void* object, void* state, gemel_context* context) {
  const Subject subject{.state = static_cast<std::byte*>(state), .context = context};
  return ProgramAt(object).Run(Function::kInit, subject, {}) ? 0 : 1;
}

int NoInit(const void*, void*, gemel_context*) { return 0; }

int OnTelemetry(const void* object, void* state, const gemel_message* message,
                gemel_context* context) {
  const Subject subject{
      .state = static_cast<std::byte*>(state), .context = context, .message = message};
  return ProgramAt(object).Run(Function::kTelemetry, subject, {}) ? 0 : 1;
}

int OnTimer(const void* object, void* state, gemel_text name, gemel_context* context) {
  const Subject subject{.state = static_cast<std::byte*>(state), .context = context};
  return ProgramAt(object).Run(Function::kTimer, subject, name) ? 0 : 1;
}

int OnMessage(const void* object, void* state, const gemel_twin_message* message,
              gemel_context* context) {
  const Subject subject{
      .state = static_cast<std::byte*>(state), .context = context, .twin_message = message};
  return ProgramAt(object).Run(Function::kMessage, subject, {}) ? 0 : 1;
}

// The parameters as the script sees them: what is given in the place of the defaults.
Result<std::map<std::string, Scalar>> ReadParameters(const Definition& definition,
                                                     const gemel_setup& setup) {
  std::map<std::string, Scalar> parameters(definition.parameters.begin(),
                                           definition.parameters.end());
  for (size_t i = 0; i < setup.parameters_count; ++i) {
    const std::string name(ToView(setup.parameters[i].name));
    const gemel_value& value = setup.parameters[i].value;
    const auto known = parameters.find(name);
    if (known == parameters.end()) {
      std::string all;
      for (const auto& [other, unused] : parameters) all += (all.empty() ? "" : ", ") + other;
      return Invalid(fmt::format("parameter {} is unknown to the model; it knows: {}", name,
                                 all.empty() ? "none" : all));
    }
    Scalar& kept = known->second;
    const bool is_number = value.type == GEMEL_DOUBLE || value.type == GEMEL_INT64;
    if (value.type == GEMEL_BOOL && std::holds_alternative<bool>(kept)) {
      kept = value.as.integer != 0;
    } else if (value.type == GEMEL_TEXT && std::holds_alternative<std::string>(kept)) {
      kept = std::string(value.as.text, value.length);
    } else if (value.type == GEMEL_INT64 && std::holds_alternative<int64_t>(kept)) {
      kept = value.as.integer;
    } else if (is_number && std::holds_alternative<double>(kept)) {
      kept = value.type == GEMEL_DOUBLE ? value.as.number : static_cast<double>(value.as.integer);
    } else {
      constexpr const char* kKinds[] = {"true or false", "an integer", "a number", "text"};
      return Invalid(fmt::format("parameter {} must be {}", name, kKinds[kept.index()]));
    }
  }
  return parameters;
}

Result<std::map<std::string, Rows>> ReadTables(const Definition& definition,
                                               const gemel_setup& setup) {
  std::map<std::string, Rows> tables;
  for (size_t i = 0; i < setup.tables_count; ++i) {
    const gemel_table& table = *setup.tables[i];
    const std::string name(ToView(table.name));
    if (std::ranges::find(definition.tables, name) == definition.tables.end()) {
      return Invalid(fmt::format("table {} is unknown to the model; it knows: {}", name,
                                 fmt::join(definition.tables, ", ")));
    }
    Rows& rows = tables[name];
    rows.resize(table.rows_count);
    for (size_t row = 0; row < table.rows_count; ++row) {
      for (size_t column = 0; column < table.columns_count; ++column)
        rows[row].emplace_back(ToView(table.columns[column]),
                               ToView(table.cell(&table, row, column)));
    }
  }
  return tables;
}

// As gemel_model::create.
void* Create(const std::shared_ptr<const Source>& source, const gemel_setup& setup) {
  const auto fail = [&](const Status& status) {
    setup.fail(&setup, ToText(status.message()));
    return nullptr;
  };
  auto parameters = ReadParameters(source->definition, setup);
  if (!parameters.ok()) return fail(parameters.status());
  auto tables = ReadTables(source->definition, setup);
  if (!tables.ok()) return fail(tables.status());
  auto program = std::make_unique<Program>(source, std::move(*parameters), std::move(*tables));
  // So that what fails with these parameters and tables fails now.
  if (Result<Runner*> runner = program->ForThread(); !runner.ok()) return fail(runner.status());
  return program.release();
}

}  // namespace

Result<model::Interpreted> ParseScript(std::string name, std::string text, const Limits& limits) {
  if (text.size() > kScriptBytesMax) {
    return Invalid(
        fmt::format("{}: {} bytes; a script has at most {}", name, text.size(), kScriptBytesMax));
  }
  auto source = std::make_shared<Source>(Source{std::move(name), std::move(text), limits, {}});
  GEMEL_TRY_LET(const std::unique_ptr<Interpreter> interpreter,
                Interpreter::Load(source->name, source->text, limits));
  Definition& definition = source->definition;
  GEMEL_TRY(ReadDefinition(source->name, *interpreter, definition));
  model::Interpreted made;
  const auto has = [&](Function function) { return definition.has[static_cast<size_t>(function)]; };
  made.table = {
      .abi_version = GEMEL_ABI_VERSION,
      .struct_size = sizeof(gemel_model),
      .name = definition.name.c_str(),
      .meaning = definition.meaning.c_str(),
      .state_size = static_cast<uint32_t>(definition.default_state.size()),
      .state_align = alignof(int64_t),
      .fields = definition.fields.data(),
      .fields_count = definition.fields.size(),
      .create = nullptr,
      .destroy = [](void* object) { delete static_cast<Program*>(object); },
      .construct = nullptr,
      .on_init = has(Function::kInit) ? &OnInit : &NoInit,
      .on_telemetry = &OnTelemetry,
      .device = nullptr,
      .on_timer = has(Function::kTimer) ? &OnTimer : nullptr,
      .on_message = has(Function::kMessage) ? &OnMessage : nullptr,
  };
  made.default_state = definition.default_state;
  made.create = [source](const gemel_setup& setup) { return Create(source, setup); };
  made.owner = std::move(source);
  return made;
}

Result<model::Interpreted> LoadScript(const std::filesystem::path& path, const Limits& limits) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return NotFound(fmt::format("script {}: no such file", path.string()));
  std::ifstream file(path, std::ios::binary);
  std::string text(kScriptBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open())
    return Unavailable(fmt::format("script {}: cannot be read", path.string()));
  text.resize(static_cast<size_t>(file.gcount()));
  return ParseScript(path.filename().string(), std::move(text), limits);
}

}  // namespace gemel::script
