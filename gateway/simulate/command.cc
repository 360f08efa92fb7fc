#include "gateway/simulate/command.h"

#include <cstdint>
#include <optional>

#include <nlohmann/json.hpp>

#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::simulate {
namespace {

using nlohmann::json;

const std::string* TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

// Nothing if the value is no scalar. Text is a view of `value`.
std::optional<gemel_value> ScalarOf(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return gemel_value{GEMEL_NULL, 0, {.integer = 0}};
    case json::value_t::boolean:
      return ToValue(value.get<bool>());
    case json::value_t::number_integer:
      return ToValue(value.get<int64_t>());
    case json::value_t::number_unsigned: {
      const auto number = value.get<uint64_t>();
      if (number > INT64_MAX) return ToValue(static_cast<double>(number));
      return ToValue(static_cast<int64_t>(number));
    }
    case json::value_t::number_float:
      return ToValue(value.get<double>());
    case json::value_t::string:
      return ToValue(std::string_view(*value.get_ptr<const std::string*>()));
    default:
      return std::nullopt;
  }
}

void AddArguments(const json& args, ReceivedCommand& command) {
  // Reserved, because an argument keeps the address of its texts.
  command.texts.reserve(2 * args.size());
  for (const auto& [name, value] : args.items()) {
    std::optional<gemel_value> scalar = ScalarOf(value);
    if (!scalar) continue;
    if (scalar->type == GEMEL_TEXT) {
      scalar->as.text = command.texts.emplace_back(scalar->as.text, scalar->length).data();
    }
    command.arguments.push_back({ToText(command.texts.emplace_back(name)), *scalar});
  }
}

}  // namespace

Result<ReceivedCommand> ParseCommand(std::string_view payload) {
  if (payload.size() > kCommandBytesMax) return Invalid("command is longer than allowed");
  const json document = json::parse(payload, nullptr, false);
  if (!document.is_object()) return Invalid("command is no JSON object");
  const std::string* id = TextOf(document, "id");
  const std::string* name = TextOf(document, "name");
  if (id == nullptr || name == nullptr) return Invalid("command has no text \"id\" or \"name\"");
  ReceivedCommand command;
  command.id = *id;
  command.name = *name;
  const auto expires = document.find("expires_ms");
  if (expires != document.end() && expires->is_number_integer()) {
    // What does not fit into microseconds is as good as never.
    const auto ms = expires->get<int64_t>();
    if (ms < INT64_MAX / 1'000) command.expires = Time{std::chrono::milliseconds(ms)};
  }
  const auto args = document.find("args");
  if (args != document.end() && args->is_object()) AddArguments(*args, command);
  return command;
}

void WriteAnswer(std::string_view id, std::string_view why_failed, std::string& out) {
  out = "{\"id\":";
  AppendJsonText(id, out);
  out += why_failed.empty() ? ",\"status\":\"successful\"" : ",\"status\":\"failed\",\"reason\":";
  if (!why_failed.empty()) AppendJsonText(why_failed, out);
  out += '}';
}

}  // namespace gemel::simulate
