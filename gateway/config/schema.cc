#include "gateway/config/schema.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

using nlohmann::json;
using valijson::adapters::NlohmannJsonAdapter;

// Valijson decides; but its words ("Object contains a property that could not be validated using
// 'properties' or 'additionalProperties' constraints") help nobody. So a document is first searched
// for a mistake that can be told well, and only what passes is shown to valijson. That order also
// keeps overlong texts from its regular expressions, which recurse once a character.
struct Mistake {
  std::string path;
  std::string message;
};
using Found = std::optional<Mistake>;

Found Find(const json& rule, const json& value, const std::string& path);

std::string_view TypeName(const json& value) {
  if (value.is_null()) return "null";
  if (value.is_boolean()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "an array" : "an object";
}

std::string_view TypeName(std::string_view type) {
  if (type == "null") return "null";
  if (type == "boolean") return "true or false";
  if (type == "integer") return "a whole number";
  if (type == "number") return "a number";
  if (type == "string") return "a string";
  return type == "array" ? "an array" : "an object";
}

bool IsOfType(const json& value, std::string_view type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return TypeName(value) == (type == "boolean" ? "a boolean" : TypeName(type));
}

// The types that a rule without alternatives names; an enumeration those of its values.
std::vector<std::string> TypesOf(const json& rule) {
  if (const json* const type = Entry(rule, "type")) {
    if (type->is_array()) return type->get<std::vector<std::string>>();
    return {type->get<std::string>()};
  }
  if (Entry(rule, "enum") != nullptr) return {"string"};
  return {};
}

std::string Shown(const json& value) {
  if (value.is_string()) return Quote(value.get_ref<const std::string&>());
  if (value.is_structured()) return std::string(TypeName(value));
  return value.dump();
}

Found WrongType(const json& rule, const json& value, const std::string& path) {
  const std::vector<std::string> types = TypesOf(rule);
  if (types.empty() || std::ranges::any_of(types, [&](auto& t) { return IsOfType(value, t); })) {
    return std::nullopt;
  }
  std::vector<std::string_view> names;
  names.reserve(types.size());
  for (const std::string& type : types) names.push_back(TypeName(std::string_view(type)));
  return Mistake{path,
                 fmt::format("must be {}, not {}", fmt::join(names, " or "),
                             value.is_number() ? value.dump() : std::string(TypeName(value)))};
}

Found WrongChoice(const json& choices, const json& value, const std::string& path) {
  if (std::ranges::find(choices, value) != choices.end()) return std::nullopt;
  std::vector<std::string> names;
  for (const json& choice : choices) names.push_back(choice.get<std::string>());
  return Mistake{path,
                 fmt::format("{} is not allowed; one of {}", Shown(value), fmt::join(names, ", "))};
}

Result<uint64_t> ParseQuantity(std::string_view kind, const std::string& text) {
  if (kind == "size") return ParseSize(text);
  GEMEL_TRY_LET(const auto duration, ParseDuration(text));
  return static_cast<uint64_t>(duration.count());
}

Found WrongQuantity(const json& rule, std::string_view kind, const json& value,
                    const std::string& path) {
  // A bare number is the usual mistake; the parser's message tells how to write it.
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  const auto quantity = ParseQuantity(kind, text);
  if (!quantity.ok()) return Mistake{path, quantity.status().message()};
  const auto limit = [&](std::string_view name) -> uint64_t {
    return *ParseQuantity(kind, Entry(rule, name)->get<std::string>());
  };
  if (Entry(rule, "x-minimum") != nullptr &&
      (*quantity < limit("x-minimum") || *quantity > limit("x-maximum"))) {
    return Mistake{path, fmt::format("{} is not allowed; {} to {}", text,
                                     Entry(rule, "x-minimum")->get<std::string>(),
                                     Entry(rule, "x-maximum")->get<std::string>())};
  }
  if (Entry(rule, "x-multiple") != nullptr && *quantity % limit("x-multiple") != 0) {
    return Mistake{path, fmt::format("{} is no multiple of {}", text,
                                     Entry(rule, "x-multiple")->get<std::string>())};
  }
  return std::nullopt;
}

// Characters as JSON Schema counts them, not bytes.
size_t Length(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Found WrongText(const json& rule, const std::string& text, const std::string& path) {
  const json* const most = Entry(rule, "maxLength");
  if (most != nullptr && Length(text) > most->get<size_t>()) {
    return Mistake{path, fmt::format("{} characters are too many; at most {}", Length(text),
                                     most->get<size_t>())};
  }
  if (Entry(rule, "minLength") != nullptr && text.empty())
    return Mistake{path, "must not be empty"};
  return std::nullopt;
}

Found WrongNumber(const json& rule, const json& value, const std::string& path) {
  const json* const least = Entry(rule, "minimum");
  const json* const most = Entry(rule, "maximum");
  if (least == nullptr || (value >= *least && value <= *most)) return std::nullopt;
  return Mistake{
      path, fmt::format("{} is not allowed; {} to {}", value.dump(), least->dump(), most->dump())};
}

// The rule of a member, or null if the object may not have it.
const json* MemberRule(const json& rule, const std::string& key) {
  static const json kAnything = json::object();
  if (const json* const properties = Entry(rule, "properties")) {
    if (const auto it = properties->find(key); it != properties->end()) return &*it;
  }
  const json* const others = Entry(rule, "additionalProperties");
  if (others == nullptr) return &kAnything;
  return others->is_boolean() ? nullptr : others;
}

std::vector<std::string> KeysOf(const json& rule) {
  std::vector<std::string> keys;
  for (const auto& item : Entry(rule, "properties")->items()) keys.push_back(item.key());
  return keys;
}

Found WrongObject(const json& rule, const json& value, const std::string& path) {
  for (const auto& item : value.items()) {
    if (MemberRule(rule, item.key()) != nullptr) continue;
    return Mistake{Joined(path, item.key()), "no such key" + Suggestion(item.key(), KeysOf(rule))};
  }
  if (const json* const required = Entry(rule, "required")) {
    for (const json& key : *required) {
      const auto name = key.get<std::string>();
      if (!value.contains(name)) return Mistake{Joined(path, name), "missing"};
    }
  }
  for (const auto& item : value.items()) {
    if (Found found = Find(*MemberRule(rule, item.key()), item.value(), Joined(path, item.key()))) {
      return found;
    }
  }
  return std::nullopt;
}

Found WrongArray(const json& rule, const json& value, const std::string& path) {
  const json* const items = Entry(rule, "items");
  if (items == nullptr) return std::nullopt;
  for (size_t i = 0; i < value.size(); ++i) {
    if (Found found = Find(*items, value[i], Joined(path, i))) return found;
  }
  return std::nullopt;
}

// With none of the alternatives met, the last one of the value's type is the one to explain.
Found WrongAlternative(const json& alternatives, const json& value, const std::string& path) {
  Found told;
  std::vector<std::string_view> names;
  for (const json& alternative : alternatives) {
    Found found = Find(alternative, value, path);
    if (!found) return std::nullopt;
    if (AllowsTypeOf(alternative, value)) told = std::move(found);
    for (const std::string& type : TypesOf(alternative)) {
      const std::string_view name = TypeName(std::string_view(type));
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  if (told) return told;
  return Mistake{path,
                 fmt::format("must be {}, not {}", fmt::join(names, " or "), TypeName(value))};
}

Found Find(const json& rule, const json& value, const std::string& path) {
  if (const json* const choices = Entry(rule, "enum")) return WrongChoice(*choices, value, path);
  if (const json* const any = Entry(rule, "anyOf")) return WrongAlternative(*any, value, path);
  if (value.is_string()) {
    if (Found found = WrongText(rule, value.get_ref<const std::string&>(), path)) return found;
  }
  if (const json* const kind = Entry(rule, "x-quantity")) {
    return WrongQuantity(rule, kind->get_ref<const std::string&>(), value, path);
  }
  if (Found found = WrongType(rule, value, path)) return found;
  if (value.is_number()) return WrongNumber(rule, value, path);
  if (value.is_object()) return WrongObject(rule, value, path);
  return value.is_array() ? WrongArray(rule, value, path) : std::nullopt;
}

// What valijson says, for the case that it refuses what the search above lets pass.
Found Judged(const json& document) {
  static const auto kSchema = [] {
    auto parsed = std::make_unique<valijson::Schema>();
    valijson::SchemaParser().populateSchema(NlohmannJsonAdapter(Schema()), *parsed);
    return parsed;
  }();
  valijson::ValidationResults results;
  valijson::Validator validator;
  try {
    if (validator.validate(*kSchema, NlohmannJsonAdapter(document), &results)) return std::nullopt;
  } catch (const std::exception& e) {  // of its regular expressions
    return Mistake{{}, fmt::format("can't be validated: {}", e.what())};
  }
  valijson::ValidationResults::Error error;
  std::string message = "does not follow schema/gateway.schema.json";
  while (results.popError(error)) {
    message += fmt::format("; {}: {}", fmt::join(error.context, ""), error.description);
  }
  return Mistake{{}, Quote(message)};
}

void Note(const json& rule, const json& value, const std::string& path,
          std::vector<std::string>& notes) {
  if (value.is_null() || (value.is_structured() && value.empty())) return;
  if (Entry(rule, "x-no-effect-yet") != nullptr) {
    notes.push_back(fmt::format("{} is accepted, but has no effect in this version", path));
    return;
  }
  if (value.is_object()) {
    for (const auto& item : value.items()) {
      const json* const member = MemberRule(rule, item.key());
      if (member != nullptr) Note(*member, item.value(), Joined(path, item.key()), notes);
    }
  } else if (const json* const items = Entry(rule, "items"); value.is_array() && items != nullptr) {
    for (size_t i = 0; i < value.size(); ++i) Note(*items, value[i], Joined(path, i), notes);
  }
}

}  // namespace

const json& Schema() {
  static const json kSchema = json::parse(kSchemaText);
  return kSchema;
}

const json& Resolved(const json& rule) {
  const auto reference = rule.find("$ref");
  if (reference == rule.end()) return rule;
  return Schema().at(json::json_pointer(reference->get<std::string>().substr(1)));
}

const json* Entry(const json& rule, std::string_view name) {
  if (const auto it = rule.find(name); it != rule.end()) return &*it;
  const json& resolved = Resolved(rule);
  const auto it = resolved.find(name);
  return it == resolved.end() ? nullptr : &*it;
}

bool AllowsTypeOf(const json& rule, const json& value) {
  if (const json* const any = Entry(rule, "anyOf")) {
    return std::ranges::any_of(*any, [&](const json& one) { return AllowsTypeOf(one, value); });
  }
  const std::vector<std::string> types = TypesOf(rule);
  return types.empty() || std::ranges::any_of(types, [&](auto& t) { return IsOfType(value, t); });
}

Status Validate(const json& document, const Origin& origin) {
  Found found = Find(Schema(), document, {});
  if (!found) found = Judged(document);
  return found ? origin.Wrong(found->path, found->message) : Status::Ok();
}

std::vector<std::string> KeysWithoutEffect(const json& document) {
  std::vector<std::string> notes;
  Note(Schema(), document, {}, notes);
  return notes;
}

}  // namespace gemel::config
