#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>

#include "gateway/base/limits.h"
#include "gateway/base/lsn.h"
#include "gateway/base/status.h"

namespace gemel::journal {

// Finds the record that crashes the process. Each shard notes the record that it is applying in a
// mapped file, `<journal>/applying`, which says after any death what was at work. The next start
// counts an attempt for each such record in `<journal>/attempts`, and syncs it before it applies
// anything. A *suspect*, a record with one attempt, is applied again while nothing else is, so that
// a second death names it alone; with two attempts it is set aside. A record that is applied after
// all was beside the culprit, or met by a kill, and is forgotten.
class Attempts {
 public:
  // Deaths in one record after which it is set aside.
  static constexpr unsigned kMax = 2;

  // Counts what the last process has left, and begins to note for the process of this epoch. A list
  // that is not what was written is left out with a warning: it costs two more crashes. Full or
  // Unavailable if the disk says so. REQUIRES: the journal's lock is held
  static Result<std::unique_ptr<Attempts>> Open(const std::filesystem::path& journal,
                                                uint64_t epoch);
  ~Attempts();
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;

  // Where a shard notes the LSN of what it is applying, kNoLsn if nothing. A store there survives
  // the end of the process, however it comes, and costs no system call.
  std::atomic<Lsn>& slot(uint32_t shard) { return page_->shards[shard].lsn; }

  // All with at least one attempt, by LSN. One thread, as the rest.
  const std::map<Lsn, unsigned>& counts() const { return counts_; }
  unsigned CountOf(Lsn lsn) const {
    const auto found = counts_.find(lsn);
    return found == counts_.end() ? 0 : found->second;
  }
  // It was applied after all, or is set aside for good. Full or Unavailable if the disk says so.
  Status Forget(Lsn lsn);
  // No other is in the journal any more.
  Status ForgetAll();

 private:
  // A cache line a shard, so that none takes it from another's core.
  struct alignas(64) Slot {
    std::atomic<uint64_t> lsn;
  };
  struct Page {
    Slot epoch;  // of the process that notes
    std::array<Slot, kShardsMax> shards;
  };
  static_assert(std::atomic<uint64_t>::is_always_lock_free);

  Attempts(std::filesystem::path journal, Page* page) : journal_(std::move(journal)), page_(page) {}
  void Read();
  Status Write() const;

  const std::filesystem::path journal_;
  Page* const page_;
  uint64_t counted_ = 0;  // the epoch of the last process whose notes are counted
  std::map<Lsn, unsigned> counts_;
};

}  // namespace gemel::journal
