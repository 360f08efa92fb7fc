#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/status.h"
#include "gateway/config/origin.h"

// The schema of the configuration, schema/gateway.schema.json as it was at build time. A rule is
// one node of it. Rules use a small part of JSON Schema, listed in the test.
namespace gemel::config {

// The file's text; its end follows from how it is embedded.
extern const std::string_view kSchemaText;

const nlohmann::json& Schema();

// The rule that a reference stands for, or the rule itself.
const nlohmann::json& Resolved(const nlohmann::json& rule);

// An entry of a rule: beside its reference ("default", "x-…"), else behind it. Null if absent.
const nlohmann::json* Entry(const nlohmann::json& rule, std::string_view name);

// Whether the rule, or one of its alternatives, lets a value of that JSON type be.
bool AllowsTypeOf(const nlohmann::json& rule, const nlohmann::json& value);

// Invalid with the first mistake in the document: path, value, what is allowed.
Status Validate(const nlohmann::json& document, const Origin& origin);

// A sentence for each key that is given and has no effect in this version.
std::vector<std::string> KeysWithoutEffect(const nlohmann::json& document);

}  // namespace gemel::config
