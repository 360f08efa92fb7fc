#pragma once

#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/status.h"
#include "gateway/config/config.h"
#include "gateway/config/origin.h"

namespace gemel::config {

// The document as values, absent keys at their defaults, relative paths below `base_dir`. Says
// nothing about what the values mean together, but parses `http.listen` and `http.hosts`.
// REQUIRES: Validate(document) is Ok
Result<Config> Read(const nlohmann::json& document, const std::filesystem::path& base_dir,
                    const Origin& origin);

}  // namespace gemel::config
