#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/script/interpreter.h"
#include "gateway/sdk/model.h"

namespace gemel::script {

// What may be called of a script.
enum class Function : uint8_t { kInit, kTelemetry, kTimer, kMessage };
inline constexpr std::array<const char*, 4> kFunctionNames = {"on_init", "on_telemetry", "on_timer",
                                                              "on_message"};

using Scalar = std::variant<bool, int64_t, double, std::string>;

// What a script says of its model, in C terms: the field table and a state that it lays out.
struct Definition {
  std::string name;
  std::string meaning;
  std::vector<gemel_field> fields;                         // its texts stand in `texts`
  std::vector<std::byte> default_state;                    // its size is the state's
  std::vector<std::pair<std::string, Scalar>> parameters;  // and their defaults, by name
  std::vector<std::string> tables;                         // that it may be given
  std::array<bool, kFunctionNames.size()> has{};

  std::deque<std::string> texts;                 // never move
  std::deque<std::vector<const char*>> choices;  // of fields
};

// Reads the table that the script has returned. Invalid names the script, the key and what is
// allowed.
Status ReadDefinition(std::string_view script, Interpreter& interpreter, Definition& definition);

}  // namespace gemel::script
