#include "gateway/cli/repair.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/clock.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/journal/epoch.h"
#include "gateway/journal/repair.h"
#include "gateway/store/verify.h"

namespace gemel::cli {
namespace {

// What is there.
struct Found {
  store::VerifiedDatabase database;
  std::string database_damage;  // empty: whole
  journal::JournalRepair journal;
  bool is_whole() const { return database_damage.empty() && journal.damage().empty(); }
};

Result<Found> Examine(const config::Config& config) {
  Result<store::VerifiedDatabase> database = store::VerifyDatabase(config.store.path);
  std::string damage;
  if (!database.ok()) {
    if (database.status().code() != Code::kDamaged) return std::move(database).status();
    damage = database.status().message();
    database = store::VerifiedDatabase();
  }
  GEMEL_TRY_LET(
      journal::JournalRepair journal,
      journal::JournalRepair::Examine(
          config.journal.path, {.checkpoint = database->checkpoint, .newest = database->newest}));
  return Found{*database, std::move(damage), std::move(journal)};
}

void PrintLost(const journal::LostRange& range, Lsn checkpoint) {
  const auto records = range.records();
  std::string text = fmt::format("lost: the records behind {:x}", range.after);
  if (range.before != kNoLsn) text += fmt::format(" and before {:x}", range.before);
  if (records) text += fmt::format(", {} of them", *records);
  const bool is_seen = range.before != kNoLsn && range.before <= checkpoint + 1;
  if (is_seen) text += "; the saved twins have seen them, so no twin lacks them";
  fmt::print("{}\n", text);
}

void Print(const Found& found, const config::Config& config) {
  for (const std::string& line : found.journal.damage()) fmt::print("damaged: {}\n", line);
  for (const journal::LostRange& range : found.journal.lost())
    PrintLost(range, found.database.checkpoint);
  if (!found.journal.damage().empty() && found.journal.lost().empty())
    fmt::print("lost: nothing; all records are there\n");
  fmt::print("{}: whole: {} frames, {} records\n", config.journal.path.string(),
             found.journal.frames(), found.journal.records());
  if (found.database_damage.empty()) return;
  fmt::print("damaged: {}\n", found.database_damage);
  if (found.journal.begins_with_first()) {
    fmt::print("  the journal begins with the first record, so the next start builds it again\n");
  }
}

// SQLite's two other files belong to it.
Status SetAside(const std::filesystem::path& database, uint64_t epoch) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::filesystem::path path = database.string() + suffix;
    const std::string aside = fmt::format("{}.damaged-{}{}", database.string(), epoch, suffix);
    std::error_code error;
    if (!std::filesystem::exists(path, error)) continue;
    std::filesystem::rename(path, aside, error);
    if (error) {
      return Unavailable(
          fmt::format("{}: cannot be moved aside: {}", path.string(), error.message()));
    }
    fmt::print("moved aside: {}\n", aside);
  }
  return Status::Ok();
}

Status Repair(const Found& found, const config::Config& config, journal::Descriptor lock) {
  GEMEL_TRY_LET(const journal::Epoch epoch,
                journal::Epoch::RaiseLocked(config.journal.path, std::move(lock)));
  if (!found.journal.damage().empty()) {
    GEMEL_TRY_LET(const auto aside, found.journal.Write(epoch.number(), SystemClock().Now()));
    for (const std::filesystem::path& path : aside) fmt::print("moved aside: {}\n", path.string());
  }
  if (found.database_damage.empty()) return Status::Ok();
  if (found.journal.begins_with_first()) return SetAside(config.store.path, epoch.number());
  return Unavailable(fmt::format(
      "{}: it cannot be built again, because the journal does not go back to the first record. "
      "Restore it from a copy; or move it away, and the twins begin with what the journal holds",
      config.store.path.string()));
}

int FailedToRepair(const Status& status) { return Fail(kFailed, status.message().c_str()); }

}  // namespace

int RepairMain(int count, const char* const* arguments) {
  CLI::App app(
      "Says what is damaged in the journal and the snapshot of a stopped gateway, and repairs it.",
      "gemel repair");
  std::string path = "/etc/gemel/gemel.json";
  bool is_to_repair = false;
  app.add_option("configuration,--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--yes", is_to_repair, "Do it; without, nothing is changed");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto config = config::Load(path, config::ProcessEnvironment());
  if (!config.ok()) return FailedToRepair(config.status());

  auto lock = journal::Epoch::TryLock(config->journal.path);
  if (!lock.ok()) return FailedToRepair(lock.status());
  if (!*lock) {
    return FailedToRepair(Unavailable(fmt::format("{}: a gateway is running on it; stop it first",
                                                  config->journal.path.string())));
  }
  const Result<Found> found = Examine(*config);
  if (!found.ok()) return FailedToRepair(found.status());
  Print(*found, *config);
  if (found->is_whole()) {
    fmt::print("nothing to repair\n");
    return kDone;
  }
  if (!is_to_repair) {
    fmt::print("nothing was changed; with --yes it is repaired, and what is damaged kept aside\n");
    return kNo;
  }
  if (Status status = Repair(*found, *config, **std::move(lock)); !status.ok())
    return FailedToRepair(status);
  fmt::print("repaired\n");
  return kDone;
}

}  // namespace gemel::cli
