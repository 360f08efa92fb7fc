#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/config/config.h"
#include "gateway/ingest/intake.h"
#include "gateway/mqtt/client.h"
#include "gateway/route/router.h"
#include "gateway/twin/world.h"

namespace gemel {

// A configuration with everything that it names loaded and checked against each other.
struct Compiled {
  twin::World world;
  std::vector<ingest::Plan> plans;  // one a route
  route::Router router;
  std::vector<mqtt::Subscription> subscriptions;
  std::optional<ingest::DeviceTopics> command_acks;    // where devices answer
  std::optional<ingest::DeviceTopics> profile_topics;  // where something is told of devices
};

// Where the code of a model lies: its plug-in, see model::FindPlugin, or its script.
Result<std::filesystem::path> FindCode(const config::Model& model,
                                       const std::filesystem::path& folder);

// Loads plug-ins, scripts, profiles and tables and compiles the routes. The first failure is one
// line that names the model or route, the key and the value. Relative plug-in names with a folder
// in them start at `folder`. `symbols` outlives the result.
Result<Compiled> Compile(const config::Config& config, const std::filesystem::path& folder,
                         Symbols& symbols);

}  // namespace gemel
