#include "gateway/script/definition.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/model/state.h"
#include "gateway/script/windows.h"
#include "gateway/sdk/types.hpp"

namespace gemel::script {
namespace {

constexpr uint32_t kStateAlign = 8;

// Thrown by what reads a table, and caught in ReadDefinition.
class Wrong : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A table of the script on the stack. Members are read by name, each once; the others are mistakes.
class Reader {
 public:
  Reader(lua_State* lua, int index, std::string what)
      : lua_(lua), index_(lua_absindex(lua, index)), what_(std::move(what)) {
    if (!lua_istable(lua, index_)) Fail("must be a table");
  }

  [[noreturn]] void Fail(std::string_view why) const {
    throw Wrong(fmt::format("{} {}", what_, why));
  }
  // Leaves the member on the stack; false, and nothing there, if it is nil.
  bool Push(const char* key) {
    known_.emplace_back(key);
    lua_getfield(lua_, index_, key);
    if (!lua_isnil(lua_, -1)) return true;
    lua_pop(lua_, 1);
    return false;
  }
  std::optional<std::string> Text(const char* key) {
    if (!Push(key)) return std::nullopt;
    if (lua_type(lua_, -1) != LUA_TSTRING) Fail(fmt::format("{} must be a text", key));
    size_t size = 0;
    const char* const text = lua_tolstring(lua_, -1, &size);
    std::string copy(text, size);
    lua_pop(lua_, 1);
    if (copy.find('\0') != std::string::npos) Fail(fmt::format("{} holds a NUL", key));
    return copy;
  }
  std::string RequiredText(const char* key) {
    std::optional<std::string> text = Text(key);
    if (!text) Fail(fmt::format("{} is missing", key));
    return *text;
  }
  // The texts of a list.
  std::vector<std::string> Texts(const char* key) {
    std::vector<std::string> texts;
    if (!Push(key)) return texts;
    if (!lua_istable(lua_, -1)) Fail(fmt::format("{} must be a list of texts", key));
    for (lua_Integer i = 1; lua_rawgeti(lua_, -1, i) != LUA_TNIL; ++i) {
      if (lua_type(lua_, -1) != LUA_TSTRING) Fail(fmt::format("{} must be a list of texts", key));
      texts.emplace_back(lua_tostring(lua_, -1));
      lua_pop(lua_, 1);
    }
    lua_pop(lua_, 2);
    return texts;
  }
  bool Function(const char* key) {
    if (!Push(key)) return false;
    if (!lua_isfunction(lua_, -1)) Fail(fmt::format("{} must be a function", key));
    lua_pop(lua_, 1);
    return true;
  }
  // REQUIRES: all members that may be there were read
  void RefuseOthers() const {
    // The first one, because Lua walks a table in another order in each process.
    std::optional<std::string> first;
    lua_pushnil(lua_);
    while (lua_next(lua_, index_) != 0) {
      lua_pop(lua_, 1);
      const std::string key =
          lua_type(lua_, -1) == LUA_TSTRING ? lua_tostring(lua_, -1) : luaL_typename(lua_, -1);
      const bool is_known = std::ranges::find(known_, key) != known_.end();
      if (!is_known && (!first || key < *first)) first = key;
    }
    if (first) Fail(fmt::format("has no {}; it may have {}", *first, fmt::join(known_, ", ")));
  }

 private:
  lua_State* lua_;
  int index_;
  std::string what_;
  std::vector<std::string> known_;
};

// Of 1 to `last`, the one that is called so.
uint32_t NumberOf(std::string_view (*name_of)(uint32_t), uint32_t last, const std::string& name,
                  const Reader& reader, const char* key) {
  std::vector<std::string_view> names;
  for (uint32_t number = 1; number <= last; ++number) {
    names.push_back(name_of(number));
    if (names.back() == name) return number;
  }
  reader.Fail(fmt::format("{} is {}; allowed are {}", key, name, fmt::join(names, ", ")));
}

uint32_t SizeOf(const gemel_field& field) {
  switch (field.type) {
    case GEMEL_BOOL:
      return 1;
    case GEMEL_SYMBOL:
      return field.choices_count > 0 ? 1 : 4;
    default:
      return 8;
  }
}

class FieldsReader {
 public:
  FieldsReader(lua_State* lua, Definition& definition) : lua_(lua), definition_(definition) {}

  // The list on top of the stack.
  void Read() {
    for (lua_Integer i = 1; lua_rawgeti(lua_, -1, i) != LUA_TNIL; ++i) {
      Reader reader(lua_, -1, fmt::format("fields[{}]", i));
      ReadOne(reader);
      lua_pop(lua_, 1);
    }
    lua_pop(lua_, 1);
    definition_.default_state.resize(std::max(Aligned(kStateAlign), kStateAlign));
    for (size_t i = 0; i < definition_.fields.size(); ++i) {
      if (definition_.fields[i].type != GEMEL_WINDOW) SetDefault(i);
    }
    for (const auto& [offset, kind] : windows_)
      kind->construct(definition_.default_state.data() + offset);
  }

 private:
  uint32_t Aligned(uint32_t align) const { return (size_ + align - 1) / align * align; }
  const char* Keep(std::string text) {
    return definition_.texts.emplace_back(std::move(text)).c_str();
  }
  uint32_t Place(uint32_t size, uint32_t align) {
    const uint32_t offset = Aligned(align);
    size_ = offset + size;
    return offset;
  }

  void ReadOne(Reader& reader) {
    gemel_field field{};
    field.name = Keep(reader.RequiredText("name"));
    field.unit = Keep(reader.Text("unit").value_or(""));
    field.meaning = Keep(reader.RequiredText("meaning"));
    const std::string type = reader.RequiredText("type");
    if (!WindowSizes(type).empty()) return ReadWindow(reader, type, field);
    field.type = NumberOf(&model::TypeName, GEMEL_TEXT, type, reader, "type");
    field.source = NumberOf(&model::SourceName, GEMEL_FROM_MODEL,
                            reader.Text("from").value_or("model"), reader, "from");
    if (const std::vector<std::string> choices = reader.Texts("choices"); !choices.empty()) {
      std::vector<const char*>& kept = definition_.choices.emplace_back();
      for (const std::string& choice : choices) kept.push_back(Keep(choice));
      field.choices = kept.data();
      field.choices_count = static_cast<uint32_t>(kept.size());
    }
    if (field.type == GEMEL_SYMBOL && field.source == GEMEL_FROM_MODEL && field.choices_count == 0)
      reader.Fail("is a symbol that the script sets: it needs choices");
    field.size = field.type == GEMEL_TEXT ? TextSize(reader) : SizeOf(field);
    const uint32_t align = field.type == GEMEL_TEXT ? 2 : field.size;
    field.offset = Place(field.size, align);
    const bool is_timed = field.source == GEMEL_FROM_TELEMETRY || field.source == GEMEL_FROM_TOPIC;
    field.time_offset = is_timed ? Place(8, 8) : GEMEL_NO_OFFSET;
    ReadDefault(reader, field);
    reader.RefuseOthers();
    definition_.fields.push_back(field);
  }

  void ReadWindow(Reader& reader, const std::string& type, gemel_field& field) {
    const std::vector<uint32_t> sizes = WindowSizes(type);
    uint32_t size = 0;
    if (sizes.front() > 0) {
      if (!reader.Push("size"))
        reader.Fail(fmt::format("size is missing; {}", fmt::join(sizes, ", ")));
      size = static_cast<uint32_t>(lua_tointeger(lua_, -1));
      lua_pop(lua_, 1);
    }
    const WindowKind* const kind = FindWindow(type, size);
    if (kind == nullptr) reader.Fail(fmt::format("size must be one of {}", fmt::join(sizes, ", ")));
    if (reader.Text("from").value_or("model") != "model")
      reader.Fail("is a window, which only the script fills in");
    field.type = GEMEL_WINDOW;
    field.source = GEMEL_FROM_MODEL;
    std::vector<const char*>& layout = definition_.choices.emplace_back();
    layout.push_back(kind->layout);
    field.choices = layout.data();
    field.choices_count = 1;
    field.size = kind->bytes;
    field.offset = Place(kind->bytes, kWindowAlign);
    field.time_offset = GEMEL_NO_OFFSET;
    defaults_.emplace_back();
    windows_.emplace_back(field.offset, kind);
    reader.RefuseOthers();
    definition_.fields.push_back(field);
  }

  uint32_t TextSize(Reader& reader) {
    lua_Integer capacity = 32;
    if (reader.Push("capacity")) {
      capacity = lua_tointeger(lua_, -1);
      lua_pop(lua_, 1);
    }
    if (capacity < 1 || capacity > 1'024) reader.Fail("capacity must be 1 to 1024 bytes");
    return static_cast<uint32_t>(capacity) + 2;
  }

  void ReadDefault(Reader& reader, const gemel_field& field) {
    std::optional<Scalar>& value = defaults_.emplace_back();
    if (!reader.Push("default")) return;
    if (field.source != GEMEL_FROM_MODEL)
      reader.Fail("has a default, but the script does not set it");
    const int type = lua_type(lua_, -1);
    const bool is_number = type == LUA_TNUMBER;
    if (type == LUA_TBOOLEAN && field.type == GEMEL_BOOL) {
      value = lua_toboolean(lua_, -1) != 0;
    } else if (is_number && field.type == GEMEL_INT64 && lua_isinteger(lua_, -1)) {
      value = int64_t{lua_tointeger(lua_, -1)};
    } else if (is_number && field.type == GEMEL_DOUBLE) {
      value = lua_tonumber(lua_, -1);
    } else if (type == LUA_TSTRING && field.type == GEMEL_TEXT) {
      value = std::string(lua_tostring(lua_, -1));
    } else if (type == LUA_TSTRING && field.choices_count > 0) {
      value = std::string(lua_tostring(lua_, -1));
      const auto is_it = [&](const char* choice) {
        return std::get<std::string>(*value) == choice;
      };
      if (std::none_of(field.choices, field.choices + field.choices_count, is_it))
        reader.Fail("has a default that is none of its choices");
    } else {
      reader.Fail(
          fmt::format("has a default of another type than {}", model::TypeName(field.type)));
    }
    lua_pop(lua_, 1);
  }

  void SetDefault(size_t index) {
    const gemel_field& field = definition_.fields[index];
    std::byte* const state = definition_.default_state.data();
    if (field.time_offset != GEMEL_NO_OFFSET) model::SetEventTime(field, state, kNoTime);
    if (field.choices_count == 0) model::WriteValue(field, state, {GEMEL_NULL, 0, {.integer = 0}});
    const std::optional<Scalar>& value = defaults_[index];
    if (!value) return;
    gemel_value set{field.type, 0, {.integer = 0}};
    if (const auto* flag = std::get_if<bool>(&*value)) {
      set.as.integer = *flag ? 1 : 0;
    } else if (const auto* integer = std::get_if<int64_t>(&*value)) {
      set.as.integer = *integer;
    } else if (const auto* number = std::get_if<double>(&*value)) {
      set.as.number = *number;
    } else {
      const auto& text = std::get<std::string>(*value);
      if (field.choices_count > 0) return model::WriteChoice(field, state, text);
      set.length = static_cast<uint32_t>(text.size());
      set.as.text = text.data();
    }
    model::WriteValue(field, state, set);
  }

  lua_State* lua_;
  Definition& definition_;
  uint32_t size_ = 0;
  std::vector<std::optional<Scalar>> defaults_;
  std::vector<std::pair<uint32_t, const WindowKind*>> windows_;  // and their offsets
};

// Whatever is wrong with them: Lua walks a table in another order in each process.
constexpr const char* kWrongParameters =
    "must hold numbers, texts and booleans, named by texts: the defaults";

Scalar ToScalar(lua_State* lua, const Reader& reader) {
  switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
      return lua_toboolean(lua, -1) != 0;
    case LUA_TNUMBER:
      if (lua_isinteger(lua, -1)) return int64_t{lua_tointeger(lua, -1)};
      return lua_tonumber(lua, -1);
    case LUA_TSTRING:
      return std::string(lua_tostring(lua, -1));
    default:
      reader.Fail(kWrongParameters);
  }
}

void ReadParameters(lua_State* lua, Definition& definition) {
  const Reader reader(lua, -1, "parameters");
  lua_pushnil(lua);
  while (lua_next(lua, -2) != 0) {
    if (lua_type(lua, -2) != LUA_TSTRING) reader.Fail(kWrongParameters);
    definition.parameters.emplace_back(lua_tostring(lua, -2), ToScalar(lua, reader));
    lua_pop(lua, 1);
  }
  lua_pop(lua, 1);
  std::ranges::sort(definition.parameters, {}, &std::pair<std::string, Scalar>::first);
}

}  // namespace

Status ReadDefinition(std::string_view script, Interpreter& interpreter, Definition& definition) {
  lua_State* const lua = interpreter.lua();
  const int top = lua_gettop(lua);
  try {
    Reader reader(lua, Interpreter::kDefinition, "the model's table");
    definition.name = reader.RequiredText("name");
    definition.meaning = reader.RequiredText("meaning");
    for (size_t i = 0; i < kFunctionNames.size(); ++i)
      definition.has[i] = reader.Function(kFunctionNames[i]);
    if (reader.Push("parameters")) ReadParameters(lua, definition);
    definition.tables = reader.Texts("tables");
    if (!reader.Push("fields")) reader.Fail("fields is missing");
    if (!lua_istable(lua, -1)) reader.Fail("fields must be a list of tables");
    FieldsReader(lua, definition).Read();
    reader.RefuseOthers();
    if (!definition.has[static_cast<size_t>(Function::kTelemetry)])
      reader.Fail("on_telemetry is missing");
  } catch (const Wrong& wrong) {
    lua_settop(lua, top);
    return Invalid(fmt::format("{}: {}", script, wrong.what()));
  }
  lua_settop(lua, top);
  return Status::Ok();
}

}  // namespace gemel::script
