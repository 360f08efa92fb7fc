#include "gateway/history/alert_log.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/crash_point.h"
#include "gateway/base/log.h"

namespace gemel::history {
namespace {

// "GEMH", so that `file` and we know whose database it is.
constexpr int64_t kApplicationId = 0x47454D48;
constexpr int64_t kVersion = 1;
constexpr const char* kSchema = R"(
CREATE TABLE alert_changes (
  position INTEGER PRIMARY KEY, lsn INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, id TEXT NOT NULL, change TEXT NOT NULL, status TEXT NOT NULL,
  severity TEXT NOT NULL, model TEXT NOT NULL, twin TEXT NOT NULL, code TEXT NOT NULL,
  alert TEXT NOT NULL, UNIQUE (lsn, ordinal));
CREATE INDEX alert_changes_by_twin ON alert_changes (model, twin, position);
CREATE INDEX alert_changes_by_time ON alert_changes (time_ms);)";
// Which the first files of this version lack.
constexpr const char* kLater = R"(
CREATE TABLE IF NOT EXISTS command_changes (
  position INTEGER PRIMARY KEY, lsn INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL, model TEXT NOT NULL,
  twin TEXT NOT NULL, name TEXT NOT NULL, command TEXT NOT NULL, UNIQUE (lsn, ordinal));
CREATE INDEX IF NOT EXISTS command_changes_by_time ON command_changes (time_ms);
CREATE INDEX IF NOT EXISTS command_changes_by_id ON command_changes (id, position);
CREATE INDEX IF NOT EXISTS command_changes_by_twin ON command_changes (model, twin, position);
CREATE INDEX IF NOT EXISTS alert_changes_by_id ON alert_changes (id, position);
CREATE INDEX IF NOT EXISTS alert_changes_by_model ON alert_changes (model, time_ms);)";
constexpr const char* kInsert =
    "INSERT OR IGNORE INTO alert_changes (lsn, ordinal, time_ms, id, change, status, severity, "
    "model, twin, code, alert) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
constexpr const char* kInsertCommand =
    "INSERT OR IGNORE INTO command_changes (lsn, ordinal, time_ms, id, status, model, twin, name, "
    "command) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr const char* kTables[] = {"alert_changes", "command_changes"};
// Of one of the tables.
constexpr const char* kDeleteOld =
    "DELETE FROM {0} WHERE position IN (SELECT position FROM {0} WHERE time_ms < ?1 ORDER BY "
    "time_ms LIMIT ?2)";
constexpr const char* kDeleteFirst =
    "DELETE FROM {0} WHERE position IN (SELECT position FROM {0} ORDER BY position LIMIT ?1)";
constexpr const char* kPositions =
    "SELECT coalesce((SELECT max(position) FROM {0}) - (SELECT min(position) FROM {0}) + 1, 0)";

// Members of the JSON that are columns; of an alert the change stands behind the first.
constexpr const char* kAlertTexts[] = {"id", "status", "severity", "model", "twin", "code"};
constexpr const char* kCommandTexts[] = {"id", "status", "model", "twin", "name"};

constexpr std::chrono::seconds kRetryEvery{1};
constexpr std::chrono::minutes kPruneEvery{1};
// Rows that go in one piece, so that a file that is far too large does not hold new ones up, and
// how far pieces lie apart where nothing is to be written.
constexpr std::chrono::milliseconds kPieceEvery{50};
constexpr int64_t kPruneRows = 10'000;

Status Prepare(sqlite::Database& database) {
  // In full, because nothing writes again what a snapshot stands on.
  GEMEL_TRY(database.Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
  GEMEL_TRY_LET(const int64_t application, database.Integer("PRAGMA application_id"));
  GEMEL_TRY_LET(const int64_t version, database.Integer("PRAGMA user_version"));
  GEMEL_TRY_LET(const int64_t objects, database.Integer("SELECT count(*) FROM sqlite_schema"));
  const std::string path = database.path().string();
  if (objects == 0 && version == 0) {
    return database.Run(
        fmt::format("BEGIN IMMEDIATE; {} {} PRAGMA application_id = {}; PRAGMA user_version = {}; "
                    "COMMIT",
                    kSchema, kLater, kApplicationId, kVersion));
  }
  if (application != kApplicationId)
    return Damaged(fmt::format("{}: it is no history of this program", path));
  if (version != kVersion) {
    return Invalid(
        fmt::format("{}: of version {}; this program knows version {}", path, version, kVersion));
  }
  return database.Run(kLater);
}

}  // namespace

Result<std::unique_ptr<AlertLog>> AlertLog::Open(AlertLogOptions options, const Clock& clock) {
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(options.path, sqlite::Database::Mode::kReadWrite));
  GEMEL_TRY(Prepare(database));
  GEMEL_TRY_LET(const int64_t newest,
                database.Integer("SELECT max((SELECT coalesce(max(lsn), 0) FROM alert_changes), "
                                 "(SELECT coalesce(max(lsn), 0) FROM command_changes))"));
  return std::unique_ptr<AlertLog>(
      new AlertLog(std::move(database), std::move(options), clock, static_cast<Lsn>(newest)));
}

AlertLog::AlertLog(sqlite::Database database, AlertLogOptions options, const Clock& clock,
                   Lsn newest)
    : options_(std::move(options)),
      clock_(clock),
      newest_at_open_(newest),
      database_(std::move(database)) {
  thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "gemel-history");
    Run();
  });
}

AlertLog::~AlertLog() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void AlertLog::AppendCommand(EffectId effect, std::string_view command) {
  Append(effect, {}, command);
}

void AlertLog::Append(EffectId effect, std::string_view change, std::string_view json) {
  {
    std::unique_lock lock(mutex_);
    if (is_held_ && waiting_bytes_ > options_.queue_bytes_max / 2) {
      ++flushing_;  // so that the writing thread gathers no more
      changed_.notify_all();
      changed_.wait(lock, [this] {
        return !is_held_ || is_failing_ || waiting_bytes_ <= options_.queue_bytes_max / 2;
      });
      --flushing_;
    }
    // Commands leave the second half of the room to alerts.
    if (change.empty() && !is_held_ && waiting_bytes_ > options_.queue_bytes_max / 2) {
      dropped_.Add();
      return;
    }
    waiting_.push_back({++appended_, effect, std::string(change), std::string(json)});
    waiting_bytes_ += waiting_.back().bytes();
    DropOldest();
  }
  changed_.notify_all();
}

void AlertLog::HoldWhenFull(bool is_held) {
  {
    const std::lock_guard lock(mutex_);
    is_held_ = is_held;
  }
  changed_.notify_all();
}

void AlertLog::DropOldest() {
  while (waiting_bytes_ > options_.queue_bytes_max && waiting_.size() > 1) {
    waiting_bytes_ -= waiting_.front().bytes();
    waiting_.pop_front();
    dropped_.Add();
  }
}

void AlertLog::PutBack(std::deque<Change> changes) {
  std::swap(waiting_, changes);
  for (Change& change : changes) waiting_.push_back(std::move(change));
  DropOldest();
}

bool AlertLog::Flush(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  const uint64_t wanted = appended_;
  ++flushing_;
  changed_.notify_all();
  changed_.wait_for(lock, patience, [&] { return done_ >= wanted || is_failing_; });
  --flushing_;
  return done_ >= wanted;
}

void AlertLog::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    // The first look of each start is behind its first write.
    const bool has_looked = next_prune_ != std::chrono::steady_clock::time_point{};
    const auto wake = has_looked ? next_prune_ : std::chrono::steady_clock::now() + kPruneEvery;
    changed_.wait_until(lock, wake, [this] { return is_stopping_ || !waiting_.empty(); });
    // Together with what comes soon, unless somebody waits; and not at once after a failure. Pieces
    // of what is pruned lie apart, too.
    auto until = is_failing_ ? std::chrono::milliseconds(kRetryEvery) : options_.gather;
    if (waiting_.empty()) until = std::min(until, kPieceEvery);
    changed_.wait_for(lock, until,
                      [this] { return is_stopping_ || (flushing_ > 0 && !is_failing_); });
    const bool is_last = is_stopping_;
    std::deque<Change> changes = std::exchange(waiting_, {});
    const size_t bytes = waiting_bytes_;
    const uint64_t last = appended_;
    lock.unlock();
    const Status status = Write(changes);
    if (status.ok()) Prune();
    lock.lock();
    if (status.ok()) {
      done_ = last;
      waiting_bytes_ -= bytes;
    } else {
      PutBack(std::move(changes));
    }
    if (status.ok() == is_failing_) {
      is_failing_ = !status.ok();
      if (is_failing_) {
        log::Warning("history=failing because={}", log::Quoted(status.message()));
      } else {
        log::Info("history=written dropped={}", dropped_.value());
      }
    }
    changed_.notify_all();
    if (is_last && (waiting_.empty() || is_failing_)) break;
  }
  if (waiting_.empty()) return;
  dropped_.Add(waiting_.size());
  log::Warning("history=lost changes={} because={}", waiting_.size(),
               log::Quoted("they could not be written before the stop"));
}

Status AlertLog::Write(const std::deque<Change>& changes) {
  if (changes.empty()) return Status::Ok();
  GEMEL_TRY(database_.Run("BEGIN IMMEDIATE"));
  Status status = WriteAll(changes);
  CrashPoint("history.before_commit");
  if (status.ok()) status = database_.Run("COMMIT");
  if (!status.ok()) {
    static_cast<void>(database_.Run("ROLLBACK"));
    return status;
  }
  written_.Add(changes.size());
  return Status::Ok();
}

Status AlertLog::WriteAll(const std::deque<Change>& changes) {
  GEMEL_TRY_LET(sqlite::Statement alerts, database_.Prepare(kInsert));
  GEMEL_TRY_LET(sqlite::Statement commands, database_.Prepare(kInsertCommand));
  for (const Change& change : changes) {
    const auto json = nlohmann::json::parse(change.json, nullptr, false);
    if (!json.is_object()) continue;  // we have written it ourselves
    const bool is_command = change.change.empty();
    sqlite::Statement& insert = is_command ? commands : alerts;
    insert.Bind(1, static_cast<int64_t>(change.effect.lsn));
    insert.Bind(2, static_cast<int64_t>(change.effect.ordinal));
    insert.Bind(3, json.value("time_ms", int64_t{0}));
    // What is bound is not copied before the row is written.
    std::vector<std::string> texts;
    texts.reserve(std::size(kAlertTexts));
    int parameter = 4;
    const auto bind = [&](const char* member) {
      insert.Bind(parameter++, std::string_view(texts.emplace_back(json.value(member, ""))));
    };
    if (is_command) {
      for (const char* member : kCommandTexts) bind(member);
    } else {
      bind(kAlertTexts[0]);
      insert.Bind(parameter++, std::string_view(change.change));
      for (const char* member : std::span(kAlertTexts).subspan(1)) bind(member);
    }
    insert.Bind(parameter, std::string_view(change.json));
    GEMEL_TRY(insert.Run());
  }
  return Status::Ok();
}

void AlertLog::Prune() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_prune_) return;
  // What was written is safe whatever comes of this.
  const Result<bool> has_more = PruneSome();
  if (!has_more.ok())
    log::Warning("history=kept because={}", log::Quoted(has_more.status().message()));
  next_prune_ = has_more.ok() && *has_more ? now : now + kPruneEvery;
}

Result<bool> AlertLog::PruneSome() {
  for (const char* table : kTables) {
    GEMEL_TRY_LET(const bool has_more, PruneOld(table));
    if (has_more) return true;
  }
  // Pages that are free are used again, so the file itself grows no further.
  GEMEL_TRY_LET(const int64_t page, database_.Integer("PRAGMA page_size"));
  GEMEL_TRY_LET(const int64_t pages, database_.Integer("PRAGMA page_count"));
  GEMEL_TRY_LET(const int64_t free, database_.Integer("PRAGMA freelist_count"));
  const auto bytes = static_cast<uint64_t>(page) * static_cast<uint64_t>(pages - free);
  if (bytes <= options_.bytes_max) return false;
  // Of the larger one, so that many commands cost no alerts.
  GEMEL_TRY_LET(const int64_t alerts, database_.Integer(fmt::format(kPositions, kTables[0])));
  GEMEL_TRY_LET(const int64_t commands, database_.Integer(fmt::format(kPositions, kTables[1])));
  return PruneFirst(alerts >= commands ? kTables[0] : kTables[1]);
}

Result<bool> AlertLog::PruneOld(const char* table) {
  const Time oldest = clock_.Now() - options_.keep;
  GEMEL_TRY_LET(sqlite::Statement old, database_.Prepare(fmt::format(kDeleteOld, table)));
  old.Bind(1, std::chrono::floor<std::chrono::milliseconds>(oldest.time_since_epoch()).count());
  old.Bind(2, kPruneRows);
  GEMEL_TRY(old.Run());
  GEMEL_TRY_LET(const int64_t aged, database_.Integer("SELECT changes()"));
  return aged >= kPruneRows;
}

Result<bool> AlertLog::PruneFirst(const char* table) {
  // Of positions, which are as good as rows and need not be counted.
  GEMEL_TRY_LET(const int64_t rows, database_.Integer(fmt::format(kPositions, table)));
  if (rows == 0) return false;
  GEMEL_TRY_LET(sqlite::Statement first, database_.Prepare(fmt::format(kDeleteFirst, table)));
  first.Bind(1, std::min(kPruneRows, rows / 10 + 1));
  GEMEL_TRY(first.Run());
  return true;
}

}  // namespace gemel::history
