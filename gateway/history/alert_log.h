#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "gateway/base/clock.h"
#include "gateway/base/lsn.h"
#include "gateway/base/stats.h"
#include "gateway/base/status.h"
#include "gateway/sqlite/database.h"

namespace gemel::history {

struct AlertLogOptions {
  std::filesystem::path path;
  // Rows older than this go, and the oldest ones while there are more bytes of them.
  std::chrono::milliseconds keep = std::chrono::hours(24 * 90);
  uint64_t bytes_max = uint64_t{1} << 30;
  // Of changes that wait to be written: the oldest make room, and are counted.
  size_t queue_bytes_max = size_t{64} << 20;
  // Changes that come within this time are written together.
  std::chrono::milliseconds gather{200};
};

// What has become of alerts and commands, a row a change, in a database of its own
// (schema/history.sql), which one thread writes. Whoever appends does not wait, but while a journal
// is replayed. A change that is appended twice, because a replay decides it once more, is one row.
class AlertLog {
 public:
  // Damaged or Unavailable, naming the file, if it can't be opened or is none of ours. The clock
  // outlives it.
  static Result<std::unique_ptr<AlertLog>> Open(AlertLogOptions options, const Clock& clock);
  // Writes what waits.
  ~AlertLog();
  AlertLog(const AlertLog&) = delete;
  AlertLog& operator=(const AlertLog&) = delete;

  // Any thread. `change` is raised, severity, acknowledged or cleared; `alert` is JSON as the
  // contract has it (schema/alert.schema.json).
  void Append(EffectId effect, std::string_view change, std::string_view alert);
  // The same for a command: JSON as twin::WriteCommandChange writes it
  // (schema/command_change.schema.json).
  void AppendCommand(EffectId effect, std::string_view command);
  // While a journal is replayed, faster than rows are written, whoever appends waits until less
  // than half of the queue is taken, unless the file can't be written. Not before it is told so.
  void HoldWhenFull(bool is_held);
  // Waits until all that was appended before is in the file and survives a loss of power. False if
  // it is not: the file can't be written now, or not within `patience`. Not the writing thread.
  bool Flush(std::chrono::milliseconds patience);

  // Of the record of the newest change that the file held when it was opened; kNoLsn: of none.
  Lsn newest_at_open() const { return newest_at_open_; }

  // Any thread.
  uint64_t written() const { return written_.value(); }
  uint64_t dropped() const { return dropped_.value(); }
  const std::filesystem::path& path() const { return options_.path; }

 private:
  struct Change {
    uint64_t number = 0;
    EffectId effect;
    std::string change;  // empty: of a command
    std::string json;
    size_t bytes() const { return sizeof(Change) + change.size() + json.size(); }
  };

  AlertLog(sqlite::Database database, AlertLogOptions options, const Clock& clock, Lsn newest);
  void Run();
  // Of the writing thread, without the lock.
  Status Write(const std::deque<Change>& changes);
  Status WriteAll(const std::deque<Change>& changes);
  // Where it is time; next_prune_ is when it is so again.
  void Prune();
  // A piece of what is too old or too much. True if there is more.
  Result<bool> PruneSome();
  Result<bool> PruneOld(const char* table);
  Result<bool> PruneFirst(const char* table);
  // With mutex_ held.
  void PutBack(std::deque<Change> changes);
  void DropOldest();

  const AlertLogOptions options_;
  const Clock& clock_;
  const Lsn newest_at_open_;
  sqlite::Database database_;
  std::chrono::steady_clock::time_point next_prune_{};

  // A lock, because shards append what another thread takes; held for a step, never while anything
  // is written.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Change> waiting_;
  size_t waiting_bytes_ = 0;  // and of what is being written
  uint64_t appended_ = 0;     // the number of the last one
  uint64_t done_ = 0;         // up to which all are written or dropped
  bool is_failing_ = false;
  bool is_held_ = false;   // see HoldWhenFull
  uint32_t flushing_ = 0;  // threads that wait
  bool is_stopping_ = false;

  SharedCounter written_;
  SharedCounter dropped_;
  std::jthread thread_;
};

}  // namespace gemel::history
