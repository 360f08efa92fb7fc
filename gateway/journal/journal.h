#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/journal/segment.h"
#include "gateway/sdk/types.hpp"

namespace gemel::journal {

struct JournalOptions {
  std::filesystem::path folder;
  uint64_t segment_bytes = 64 * 1'024 * 1'024;
  // How long appended frames may stay unsynced: zero for not at all (each Append syncs), nothing
  // for as long as the kernel likes.
  std::optional<std::chrono::milliseconds> sync_every = std::chrono::seconds(1);
};

// The newest segment and its last frame, by their first LSNs; kNoLsn where there is none.
struct JournalEnd {
  Lsn segment = kNoLsn;
  Lsn frame = kNoLsn;
};

// Where in a journal a frame begins: the segment's first LSN, and the offset in its file.
struct JournalPlace {
  Lsn segment = kNoLsn;
  uint64_t offset = 0;
  friend bool operator==(const JournalPlace&, const JournalPlace&) = default;
};

// The append-only log of everything that can change a twin, as a chain of segments. What was
// appended survives the end of the process at once, and a loss of power once it is synced. One
// thread appends at a time; a thread of its own syncs in groups and reserves the next segment while
// the present one is filled.
class Journal {
 public:
  // Reserves the first segment, to be begun by the first Append. `end` is where the journal in the
  // folder ends. Full or Unavailable if the disk says so.
  static Result<std::unique_ptr<Journal>> Open(JournalOptions options, JournalEnd end);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Appends one frame whose first record has this LSN and time; `frame` as SegmentWriter::Append
  // takes it. Waits for nothing but write() (and fdatasync where sync_every is zero). Full if the
  // segment is and no other could be reserved yet: nothing was written, try later. Unavailable once
  // the disk has failed: nobody knows what of the last frames it holds, so the process must end.
  Status Append(Lsn first, Time time, std::span<std::byte> frame);

  // Appending thread: whether a frame with such a body goes to the present segment; the next one
  // begins with it otherwise. The largest body that there can be. And the place behind the last
  // frame, in the present segment.
  bool HasRoomFor(size_t body_bytes) const {
    return current_ != nullptr && current_->HasRoomFor(body_bytes);
  }
  size_t body_bytes_max() const {
    return std::min<uint64_t>(kFrameBytesMax, options_.segment_bytes - kSegmentHeadBytes -
                                                  kFrameHeadBytes - kSegmentTailBytes);
  }
  JournalPlace place() const { return {end_.segment, current_ ? current_->offset() : 0}; }

  // The following are for any thread.
  const std::filesystem::path& folder() const { return options_.folder; }
  // Returns when all that was appended before survives a loss of power.
  Status Sync();
  // Whether another segment is ready: without one, what is left in the present one is the last.
  bool has_spare() const { return has_spare_.load(std::memory_order_relaxed); }
  // What the disk has failed with; empty if it has not.
  std::string failure() const;
  // Why there is none, once an attempt has failed; Ok otherwise.
  Status spare_failure() const;
  // First LSNs of the last frame appended, and of the last one that is known to be synced.
  Lsn appended() const { return appended_.load(std::memory_order_acquire); }
  Lsn synced() const { return synced_.load(std::memory_order_acquire); }
  uint64_t appended_bytes() const { return appended_bytes_.load(std::memory_order_relaxed); }

 private:
  explicit Journal(JournalOptions options) : options_(std::move(options)) {}
  Status Rotate(Lsn first, Time time);
  void Keep(const std::stop_token& stop);
  void ReserveSpare();
  Status SyncSegments();
  Status Fail(Status status);

  const JournalOptions options_;

  // Appending thread only. Shared with the keeper, which may still sync a segment that is full.
  std::shared_ptr<SegmentWriter> current_;
  JournalEnd end_;

  std::atomic<Lsn> appended_{kNoLsn};
  std::atomic<Lsn> synced_{kNoLsn};
  std::atomic<uint64_t> appended_bytes_{0};
  std::atomic<bool> has_spare_{false};
  std::atomic<bool> has_failed_{false};

  // Between the appender and the keeper: held for an exchange of pointers, never during I/O.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::unique_ptr<SegmentWriter> spare_;
  std::vector<std::shared_ptr<SegmentWriter>> unsynced_;  // the present one last
  std::string spare_failure_;
  std::string failure_;
  // Held during a sync, so that two who ask for one do not report each other's half.
  std::mutex sync_mutex_;
  std::jthread keeper_;
};

}  // namespace gemel::journal
