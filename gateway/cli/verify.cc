#include "gateway/cli/verify.h"

#include <filesystem>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/journal/epoch.h"
#include "gateway/store/verify.h"

namespace gemel::cli {
namespace {

// Looks in all, should each find something else amiss.
constexpr int kLooksMax = 5;

int FailedToVerify(const Status& status) {
  if (status.code() != Code::kDamaged) return Fail(kFailed, status.message().c_str());
  return Fail(kNo, (status.message() + "; `gemel repair` shows what can be saved").c_str());
}

// Whether a gateway uses the journal.
bool IsRunning(const std::filesystem::path& journal) {
  const auto lock = journal::Epoch::TryLock(journal);
  return lock.ok() && !*lock;
}

// What a gateway was writing while it was read, or has dropped, is amiss once: whatever is so again
// at the same place is damage.
Result<store::VerifiedJournal> VerifyJournal(const std::filesystem::path& folder) {
  Result<store::VerifiedJournal> last = store::VerifyJournal(folder);
  for (int look = 2; look <= kLooksMax && !last.ok(); ++look) {
    Result<store::VerifiedJournal> next = store::VerifyJournal(folder);
    if (next.ok() || next.status().message() == last.status().message()) return next;
    last = std::move(next);
  }
  if (last.ok()) return last;
  return Unavailable(
      last.status().message() +
      ": it changes too fast while it is read; verify it while the gateway is stopped");
}

}  // namespace

int VerifyMain(int count, const char* const* arguments) {
  CLI::App app("Checks the snapshot and the journal of a gateway, stopped or running.",
               "gemel verify");
  std::string path = "/etc/gemel/gemel.json";
  app.add_option("configuration", path, "Configuration file")->capture_default_str();
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto config = config::Load(path, config::ProcessEnvironment());
  if (!config.ok()) return Fail(kFailed, config.status().message().c_str());

  const bool is_running = IsRunning(config->journal.path);
  if (is_running) {
    fmt::print("{}: a gateway is running: checked is what was written until now\n",
               config->journal.path.string());
  }
  const auto database = store::VerifyDatabase(config->store.path);
  if (!database.ok()) return FailedToVerify(database.status());
  if (database->is_there) {
    fmt::print("{}: whole: {} tables, {} rows\n", config->store.path.string(), database->tables,
               database->rows);
  } else {
    fmt::print("{}: not there yet\n", config->store.path.string());
  }
  const auto journal = VerifyJournal(config->journal.path);
  if (!journal.ok()) return FailedToVerify(journal.status());
  fmt::print("{}: whole: {} segments, {} frames, {} records\n", config->journal.path.string(),
             journal->segments, journal->frames, journal->records);
  const bool has_open_end = journal->torn_bytes > 0 || journal->lost_segments > 0;
  if (has_open_end && !is_running) {
    fmt::print(
        "  its end was being written when it stopped: {} bytes and {} segments behind it are "
        "left out at the next start\n",
        journal->torn_bytes, journal->lost_segments);
  }
  return kDone;
}

}  // namespace gemel::cli
