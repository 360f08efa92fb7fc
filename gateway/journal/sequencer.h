#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/lsn.h"
#include "gateway/base/mailbox.h"
#include "gateway/journal/record.h"

namespace gemel::journal {

// Where the sequencer puts the records of one shard.
struct ShardInbox {
  Mailbox* mailbox = nullptr;
  Parker* parker = nullptr;
};

// Gives every record its number and its time, and puts it into its shard's mailbox, in one critical
// section: a shard meets its records in the order of their LSN. Any thread may append.
class Sequencer {
 public:
  // The clock and inboxes outlive the sequencer. A partition belongs to shard partition % inboxes.
  Sequencer(uint64_t epoch, const Clock& clock, std::vector<ShardInbox> inboxes);

  enum class Outcome : uint8_t {
    kAppended,
    kFull,     // some shard's mailbox has no room now; nothing was appended
    kTooLarge  // can never fit; nothing was appended
  };
  // Appends the records of one message as a whole, setting their lsn and record_time. Never waits.
  Outcome Append(std::span<Record> frame);

  // Waits until a shard has given space back or the timeout has passed. Whoever got kFull calls it
  // and tries again.
  void WaitForRoom(std::chrono::milliseconds timeout);
  // Shard threads, after they have released space.
  void SpaceFreed() noexcept {
    if (waiting_.load(std::memory_order_relaxed) > 0) WakeWaiting();
  }

  uint32_t shards() const { return static_cast<uint32_t>(inboxes_.size()); }
  uint32_t ShardOf(uint64_t key_hash) const { return PartitionOf(key_hash) % shards(); }
  // Record time as it stands: of the last record, or the clock's if that is later.
  Time Now();

 private:
  Time Advance();  // REQUIRES: mutex_ held
  void WakeWaiting() noexcept;

  const uint64_t epoch_;
  const Clock& clock_;
  const std::vector<ShardInbox> inboxes_;

  // A lock, because order itself is what is made here: number and place in the mailbox must agree.
  std::mutex mutex_;
  uint64_t counter_ = 0;
  Time record_time_;
  std::chrono::nanoseconds steady_;  // as it stood at record time sampled_
  Time sampled_;
  std::vector<size_t> bytes_;  // of the frame, by shard
  std::vector<size_t> entries_;

  std::mutex room_mutex_;
  std::condition_variable room_;
  std::atomic<int> waiting_{0};
};

}  // namespace gemel::journal
