#include "gateway/compile.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/device_topics.h"
#include "gateway/ingest/compile_route.h"
#include "gateway/ingest/intake.h"
#include "gateway/model/plugin.h"
#include "gateway/model/profile.h"
#include "gateway/model/table_file.h"
#include "gateway/script/script.h"

namespace gemel {
namespace {

Result<std::unique_ptr<model::Model>> MakeModel(const config::Model& model,
                                                const std::filesystem::path& path,
                                                const model::ModelOptions& options,
                                                const script::Limits& limits) {
  if (!model.script.empty()) {
    GEMEL_TRY_LET(model::Interpreted script, script::LoadScript(path, limits));
    return model::Model::Create(std::move(script), options);
  }
  GEMEL_TRY_LET(const gemel_model* table, model::LoadPlugin(path));
  return model::Model::Create(*table, options);
}

Result<twin::ModelEntry> CompileModel(const config::Model& model,
                                      const std::filesystem::path& folder,
                                      const script::Limits& limits, Symbols& symbols) {
  GEMEL_TRY_LET(const std::filesystem::path path, FindCode(model, folder));
  std::vector<std::unique_ptr<const model::TableFile>> tables;
  model::ModelOptions options{.name = model.name, .parameters = model.parameters, .tables = {}};
  for (const auto& [name, file] : model.tables) {
    GEMEL_TRY_LET(auto loaded, model::TableFile::Load(file, name));
    options.tables.push_back(loaded->view());
    tables.push_back(std::move(loaded));
  }
  twin::ModelEntry entry;
  GEMEL_TRY_LET(entry.model, MakeModel(model, path, options, limits));
  GEMEL_TRY_LET(entry.plugin_hash, model::HashOf(path));
  if (!model.profile.empty()) {
    GEMEL_TRY_LET(model::Profile profile,
                  model::Profile::Load(model.profile, entry.model->fields(), symbols));
    // Shared, because a std::function must be copyable; nobody copies it.
    entry.apply_profile = [held = std::make_shared<const model::Profile>(std::move(profile))](
                              std::string_view id, std::byte* state) { held->Apply(id, state); };
  }
  return entry;
}

uint16_t IndexOf(const std::vector<config::Model>& models, const std::string& name) {
  for (size_t i = 0; i < models.size(); ++i) {
    if (models[i].name == name) return static_cast<uint16_t>(i);
  }
  GEMEL_ASSERT(false && "the configuration was checked");
}

Status AddProfileTopic(const config::Model& model, size_t index, DeviceTopics& profiles) {
  const std::string owner = "models: " + model.name;
  Result<route::Template> topic = route::Template::Parse(model.profile_topic);
  if (!topic.ok())
    return Invalid(fmt::format("{}: profile_topic: {}", owner, topic.status().message()));
  const std::vector<std::string> names = topic->names();
  if (std::ranges::find(names, "id") == names.end()) {
    return Invalid(fmt::format("{}: profile_topic {} has no {{id}}, which says whose profile it is",
                               owner, Quote(model.profile_topic)));
  }
  profiles.Add(owner, static_cast<uint16_t>(index), *std::move(topic), 1);
  return Status::Ok();
}

}  // namespace

Result<std::filesystem::path> FindCode(const config::Model& model,
                                       const std::filesystem::path& folder) {
  if (model.script.empty()) return model::FindPlugin(model.plugin, folder);
  return folder / model.script;
}

Result<Compiled> Compile(const config::Config& config, const std::filesystem::path& folder,
                         Symbols& symbols) {
  twin::World world;
  world.symbols = &symbols;
  world.root = config.root;
  world.timers_per_twin_max = config.limits.timers_per_twin;
  world.twins_max = (config.limits.twins_max + config.shards - 1) / config.shards;
  const script::Limits script_limits{.instructions = config.limits.script_instructions,
                                     .memory = config.limits.script_memory};
  DeviceTopics profiles("profile_topic");
  for (const config::Model& model : config.models) {
    Result<twin::ModelEntry> entry = CompileModel(model, folder, script_limits, symbols);
    if (!entry.ok()) {
      return Invalid(fmt::format("models: {}: {}", model.name, entry.status().message()));
    }
    world.models.push_back(std::move(*entry));
    if (!model.profile_topic.empty())
      GEMEL_TRY(AddProfileTopic(model, world.models.size() - 1, profiles));
  }
  std::map<std::string, twin::FeedWatch> watches;
  std::vector<ingest::Plan> plans;
  std::vector<route::Template> templates;
  std::vector<mqtt::Subscription> subscriptions;
  DeviceTopics acks("command_ack");
  GEMEL_TRY_LET(const route::Template ours, route::Template::Parse(config.root + "/#"));
  for (const config::Route& route : config.routes) {
    const uint16_t model = IndexOf(config.models, route.model);
    GEMEL_TRY_LET(ingest::CompiledRoute compiled,
                  ingest::CompileRoute(route, model, *world.models[model].model));
    if (std::string topic; compiled.route.telemetry.Overlaps(ours, &topic)) {
      return Invalid(fmt::format(
          "routes: {}: topic {} also matches {}, and what the gateway publishes below {} must not "
          "come back as telemetry",
          route.name, Quote(route.topic), Quote(topic), Quote(config.root)));
    }
    templates.push_back(compiled.route.telemetry);
    AddSubscription({templates.back().filter(), route.qos}, subscriptions);
    if (compiled.command_ack) {
      // As commands themselves, whatever telemetry is worth.
      acks.Add("routes: " + route.name, model, *std::move(compiled.command_ack),
               std::max(route.qos, 1));
    }
    if (compiled.route.feed_watch) watches.emplace(route.name, *compiled.route.feed_watch);
    world.routes.push_back(std::move(compiled.route));
    plans.push_back(std::move(compiled.plan));
  }
  if (!watches.empty()) {
    world.feed_model = static_cast<uint16_t>(world.models.size());
    GEMEL_TRY_LET(world.models.emplace_back().model,
                  model::Model::Create(twin::MakeFeedModel(watches), {.name = twin::kFeedModel}));
  }
  // A broker whose access control does not know of them yet must not keep telemetry away.
  for (const std::string& filter :
       {ingest::AckTopic(config.root) + "+", ingest::StatusTopic(config.root)}) {
    AddSubscription({.filter = filter, .qos = 1, .is_optional = true}, subscriptions);
  }
  Result<route::Router> router = route::Router::Build(templates);
  if (!router.ok()) return Invalid(fmt::format("routes: {}", router.status().message()));
  std::vector<route::Template> taken = std::move(templates);
  taken.push_back(ours);
  for (const twin::Route& route : world.routes) {
    if (route.command) taken.push_back(*route.command);
  }
  GEMEL_TRY_LET(auto command_acks, acks.Build(taken, subscriptions));
  std::ranges::copy(acks.templates(), std::back_inserter(taken));
  GEMEL_TRY_LET(auto profile_topics, profiles.Build(taken, subscriptions));
  return Compiled{std::move(world),         std::move(plans),        std::move(*router),
                  std::move(subscriptions), std::move(command_acks), std::move(profile_topics)};
}

}  // namespace gemel
