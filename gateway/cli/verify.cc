#include "gateway/cli/verify.h"

#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/store/verify.h"

namespace gemel::cli {
namespace {

int Failed(const Status& status) {
  return Fail(status.code() == Code::kDamaged ? kNo : kFailed, status.message().c_str());
}

}  // namespace

int VerifyMain(int count, const char* const* arguments) {
  CLI::App app("Checks the snapshot and the journal of a gateway that is stopped.", "gemel verify");
  std::string path = "/etc/gemel/gemel.json";
  app.add_option("configuration", path, "Configuration file")->capture_default_str();
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto config = config::Load(path, config::ProcessEnvironment());
  if (!config.ok()) return Fail(kFailed, config.status().message().c_str());

  const auto database = store::VerifyDatabase(config->store.path);
  if (!database.ok()) return Failed(database.status());
  if (database->is_there) {
    fmt::print("{}: whole: {} tables, {} rows\n", config->store.path.string(), database->tables,
               database->rows);
  } else {
    fmt::print("{}: not there yet\n", config->store.path.string());
  }
  const auto journal = store::VerifyJournal(config->journal.path);
  if (!journal.ok()) return Failed(journal.status());
  fmt::print("{}: whole: {} segments, {} frames, {} records\n", config->journal.path.string(),
             journal->segments, journal->frames, journal->records);
  if (journal->torn_bytes > 0 || journal->lost_segments > 0) {
    fmt::print(
        "  its end was being written when it stopped: {} bytes and {} segments behind it are "
        "left out at the next start\n",
        journal->torn_bytes, journal->lost_segments);
  }
  return kDone;
}

}  // namespace gemel::cli
