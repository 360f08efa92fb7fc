#include "gateway/cli/load_world.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gateway/base/quote.h"

namespace gemel::cli {

Result<std::unique_ptr<LoadedWorld>> LoadWorld(const std::filesystem::path& configuration,
                                               const std::map<std::string, std::string>& plugins,
                                               uint32_t shards,
                                               const config::Environment& environment) {
  auto loaded = std::make_unique<LoadedWorld>();
  GEMEL_TRY_LET(loaded->config, config::Load(configuration, environment));
  loaded->config.shards = shards;
  for (const auto& [name, plugin] : plugins) {
    const auto model = std::ranges::find(loaded->config.models, name, &config::Model::name);
    if (model == loaded->config.models.end()) {
      std::vector<std::string> names;
      for (const config::Model& known : loaded->config.models) names.push_back(known.name);
      return Invalid(fmt::format("--model {}: {} has no such model; it has {}", Quote(name),
                                 configuration.string(), fmt::join(names, ", ")));
    }
    const std::filesystem::path path = std::filesystem::absolute(plugin);
    const bool is_script = path.extension() == ".lua";
    model->plugin = is_script ? "" : path.string();
    model->script = is_script ? path : "";
  }
  loaded->folder = std::filesystem::absolute(configuration).parent_path();
  GEMEL_TRY_LET(loaded->compiled, Compile(loaded->config, loaded->folder, loaded->symbols));
  return loaded;
}

}  // namespace gemel::cli
