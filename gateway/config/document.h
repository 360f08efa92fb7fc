#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/status.h"
#include "gateway/config/load.h"
#include "gateway/config/origin.h"

namespace gemel::config {

// Parses JSON with comments. Invalid, with line and column where there is a place to name: a syntax
// error, text that is not UTF-8, a key given twice, more than 64 levels.
Result<nlohmann::json> ParseDocument(std::string_view text, const Origin& origin);

// Sets what the variables GEMEL__… name and tells `origin`. Invalid if one names no key.
Status ApplyOverrides(const Environment& environment, nlohmann::json& document, Origin& origin);

}  // namespace gemel::config
