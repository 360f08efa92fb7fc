#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/lsn.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/parker.h"
#include "gateway/base/stats.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/record.h"

namespace gemel::journal {

class Sequencer;

// A shard's work, seen by whoever brings some: a turn of it done by that thread costs less than to
// wake the shard's own.
class Turn {
 public:
  virtual ~Turn() = default;
  // Applies what is in the mailbox, unless the shard is at work itself, is behind, or had better be
  // woken. True if nothing is left to do.
  virtual bool TryTake(Sequencer& sequencer) = 0;
};

// Where the sequencer puts the records of one shard.
struct ShardInbox {
  Mailbox* mailbox = nullptr;
  Parker* parker = nullptr;
  // Bytes of records that the shard has applied; none where nobody asks for the lag.
  const Counter* applied_bytes = nullptr;
  // None where nobody but the shard's own thread applies records.
  Turn* turn = nullptr;
};

// Gives every record its number and its time, writes it to the journal and puts it into its shard's
// mailbox, in one critical section: a shard meets its records in the order of their LSN. A mailbox
// is only the fast way: a shard whose mailbox is full is *behind*, and reads on in the journal. Any
// thread may append.
class Sequencer {
 public:
  // The clock and inboxes outlive the sequencer. A partition belongs to shard partition % inboxes.
  Sequencer(uint64_t epoch, const Clock& clock, std::vector<ShardInbox> inboxes);

  // From now on records are journaled, and record time goes on from `last`. Without a journal a
  // full mailbox refuses records instead. REQUIRES: nothing was appended yet; the journal outlives
  // the sequencer
  void Attach(Journal& journal, Catalog catalog, Time last);

  enum class Outcome : uint8_t {
    kAppended,
    kFull,      // no room now, in a mailbox or on the disk; nothing was appended
    kTooLarge,  // can never fit; nothing was appended
    kFailed     // the disk has failed: nobody knows what it holds, so the process must end
  };
  // Who applies what is appended: the shards' threads, which are woken for it, or the caller where
  // a shard is idle.
  enum class By : uint8_t { kShard, kCaller };
  // Appends the records of one message as a whole, setting their lsn and record_time. Never waits
  // but for the journal's write. REQUIRES: by kShard, or the shards are started
  Outcome Append(std::span<Record> frame, By by = By::kShard);
  // Whether a record of this size can ever pass through the mailbox of a shard.
  bool FitsMailbox(size_t bytes) const {
    return bytes + kReadAhead <= inboxes_.front().mailbox->entry_bytes_max();
  }
  // Hands a record that a journal holds to its shard, with its own number. False if the mailbox has
  // no room now. REQUIRES: no journal is attached yet; IsRecord(record); in the order of the LSN
  bool Replay(std::span<const std::byte> record);

  // LSN of the last record; of none, but above all of earlier starts, before the first one.
  Lsn last();
  // Why the disk has failed. REQUIRES: Append gave kFailed
  std::string failure() const { return journal_->failure(); }

  // Bytes of records that were appended and not applied yet.
  uint64_t lag() const;
  // Waits until a shard has applied something or the timeout has passed.
  void WaitForRoom(std::chrono::milliseconds timeout);
  // Shard threads, after they have applied records.
  void SpaceFreed() noexcept {
    if (waiting_.load(std::memory_order_relaxed) > 0) WakeWaiting();
  }

  // Shard threads. Whether the shard finds its records in the journal, once its mailbox is empty;
  // from where; and how far the journal goes. If that is what the shard has `reached`, it is behind
  // no more: what comes next is in its mailbox.
  bool IsBehind(uint32_t shard) const noexcept {
    return is_behind_[shard].load(std::memory_order_acquire);
  }
  JournalPlace BehindFrom(uint32_t shard);
  JournalPlace CatchUp(uint32_t shard, JournalPlace reached);
  // REQUIRES: IsBehind(shard)
  const std::filesystem::path& journal_folder() const { return journal_->folder(); }

  uint32_t shards() const { return static_cast<uint32_t>(inboxes_.size()); }
  uint32_t ShardOf(uint64_t key_hash) const { return PartitionOf(key_hash) % shards(); }
  // Record time as it stands: of the last record, or the clock's if that is later.
  Time Now();
  // The clock's time, without a lock. Record time is never ahead of it unless it has gone back.
  Time Wall() const { return clock_.Now(); }

 private:
  // Wakes these shards, or does their work. REQUIRES: mutex_ is not held
  void Serve(uint64_t shards, By by);

  // The following with mutex_ held.
  Outcome AppendLocked(std::span<Record> frame);
  Time Advance();
  void Stamp(std::span<Record> frame);
  Outcome AppendToMailboxes(std::span<Record> frame);
  // Sets `place` to where the frame begins.
  Outcome WriteToJournal(std::span<const Record> frame, JournalPlace& place);
  void Distribute(std::span<const Record> frame, JournalPlace place);
  // Copies an encoded record into a mailbox, not yet published. False if there is no room.
  bool Put(std::span<const std::byte> record, uint32_t shard);
  void CountBytes(std::span<const Record> frame);
  void FallBehind(uint32_t shard, JournalPlace from);
  // Makes what was put into the mailboxes of touched_ visible.
  void Publish();

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
  Journal* journal_ = nullptr;
  std::optional<FrameBuilder> builder_;
  std::vector<size_t> bytes_;  // of the frame, by shard
  std::vector<size_t> entries_;
  std::vector<JournalPlace> behind_from_;
  uint64_t touched_ = 0;  // shards that have something to do, and were not told

  std::unique_ptr<std::atomic<bool>[]> is_behind_;  // by shard
  std::atomic<uint64_t> handed_bytes_{0};

  std::mutex room_mutex_;
  std::condition_variable room_;
  std::atomic<int> waiting_{0};
};

}  // namespace gemel::journal
