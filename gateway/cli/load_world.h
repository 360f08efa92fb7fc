#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/compile.h"
#include "gateway/config/config.h"
#include "gateway/config/load.h"

namespace gemel::cli {

// A configuration and all that it names, for verbs that need no gateway. Stays where it is, because
// its parts point to each other.
struct LoadedWorld {
  config::Config config;
  std::filesystem::path folder;  // that the configuration lies in
  Symbols symbols;
  std::optional<Compiled> compiled;
};

// `plugins` takes the place of what the configuration names, by model; `shards` share
// limits.twins_max; `environment` overrides the configuration. As config::Load and Compile; Invalid
// if there is no such model.
Result<std::unique_ptr<LoadedWorld>> LoadWorld(
    const std::filesystem::path& configuration, const std::map<std::string, std::string>& plugins,
    uint32_t shards, const config::Environment& environment = config::ProcessEnvironment());

}  // namespace gemel::cli
