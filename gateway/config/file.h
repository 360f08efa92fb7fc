#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/config/origin.h"

namespace gemel::config {

// At most `bytes_max + 1` bytes, so that a file that is longer, or has no end, shows as such.
// NotFound, Invalid if it is a folder, Unavailable if it can't be read.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t bytes_max);

// The same of the regular file that the key at `place` names; what is wrong is wrong with the key.
Result<std::string> ReadSecret(const std::filesystem::path& path, size_t bytes_max,
                               std::string_view place, const Origin& origin);

}  // namespace gemel::config
