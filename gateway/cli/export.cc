#include "gateway/cli/export.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/json_text.h"
#include "gateway/base/quote.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/load_world.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/playback/fold.h"
#include "gateway/sqlite/database.h"

namespace gemel::cli {
namespace {

constexpr const char* kExportFooter =
    "Reads the last snapshot, so a gateway may run meanwhile, and what it shows is as old as that: "
    "store.snapshot_every,\nor more where all twins change all the time. A line holds all that a "
    "twin is: state, event times, alerts, what it\nknows of repeats. Symbols are text, times "
    "microseconds since 1970.\n\nExample: gemel export "
    "--config /etc/gemel/gemel.json --model truck | jq .state";

Status CopyDatabase(const std::string& configuration, const std::string& to) {
  GEMEL_TRY_LET(const auto config, config::Load(configuration, config::ProcessEnvironment()));
  GEMEL_TRY_LET(auto database,
                sqlite::Database::Open(config.store.path, sqlite::Database::Mode::kReadOnly));
  return database.CopyTo(to);
}

Status PrintLines(const std::string& configuration, const std::string& model) {
  GEMEL_TRY_LET(const auto world, LoadWorld(configuration, {}, config::DefaultShards()));
  const auto& models = world->config.models;
  if (!model.empty() && std::ranges::find(models, model, &config::Model::name) == models.end())
    return NotFound(fmt::format("--model {}: {} has no such model", Quote(model), configuration));
  playback::Fold fold(world->compiled->world, world->config.shards);
  GEMEL_TRY(fold.RunBase(world->config.store.path));
  std::string prefix = "{\"model\":";
  AppendJsonText(model, prefix);
  for (const std::string& line : fold.TwinLines()) {
    if (!model.empty() && !line.starts_with(prefix + ",")) continue;
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() ||
        std::putchar('\n') == EOF)
      return Unavailable("stdout cannot be written");
  }
  return std::fflush(stdout) == 0 ? Status::Ok() : Unavailable("stdout cannot be written");
}

}  // namespace

int ExportMain(int count, const char* const* arguments) {
  CLI::App app("Prints all that the twins are, or copies their database.", "gemel export");
  app.footer(kExportFooter);
  std::string path = "/etc/gemel/gemel.json";
  std::string model;
  std::string database;
  app.add_option("--config", path, "The gateway's configuration")->capture_default_str();
  CLI::Option* const only = app.add_option("--model", model, "Twins of this model only");
  app.add_option("--database", database, "Copies the database to this file instead")
      ->excludes(only);
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const Status status = database.empty() ? PrintLines(path, model) : CopyDatabase(path, database);
  if (status.ok()) return kDone;
  return Fail(status.code() == Code::kNotFound ? kNo : kFailed,
              ("export: " + status.message()).c_str());
}

}  // namespace gemel::cli
