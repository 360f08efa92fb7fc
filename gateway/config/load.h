#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/config/config.h"

namespace gemel::config {

// Names and values of environment variables.
using Environment = std::map<std::string, std::string>;

// The variables of this process that override keys: those whose name starts with GEMEL__. Call it
// before there are threads.
Environment ProcessEnvironment();

// Reads, overrides, validates and checks. Any mistake is Invalid (NotFound if there is no such
// file) with one line that names file or variable, key, value and what is allowed. Relative paths
// are resolved against the file's folder.
//
// GEMEL__SECTION__KEY=value overrides a key; case does not matter, an entry of an array is named by
// its number (GEMEL__ROUTES__0__QOS). The value is JSON where the key wants something else than a
// string. A variable that names no key is a mistake.
Result<Config> Load(const std::filesystem::path& path, const Environment& environment);

// The same for a text; `file_name` is what messages call it. Opens no file but those that hold
// secrets.
Result<Config> Parse(std::string_view text, std::string_view file_name,
                     const std::filesystem::path& base_dir, const Environment& environment);

// What of a configuration decides what a record does to a twin, as it is after overrides: "models",
// "routes", "root", "limits" and "mqtt.receive_maximum", as one JSON object. Nothing of it is
// secret. Fails as Load does.
Result<std::string> LoadMeaning(const std::filesystem::path& path, const Environment& environment);

}  // namespace gemel::config
