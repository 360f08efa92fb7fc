#include "gateway/journal/sequencer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "gateway/base/assert.h"
#include "gateway/base/crash_point.h"

namespace gemel::journal {
namespace {

// How far record time may run ahead of steady time in one step. A wall clock that jumps further is
// followed at twice the speed of time, so that timers see no gap they would all fire in.
constexpr Duration kJumpMax = std::chrono::seconds{60};
// Reading the steady clock for every record would double what time costs.
constexpr Duration kSampleEvery = std::chrono::milliseconds{100};

}  // namespace

Sequencer::Sequencer(uint64_t epoch, const Clock& clock, std::vector<ShardInbox> inboxes)
    : epoch_(epoch),
      clock_(clock),
      inboxes_(std::move(inboxes)),
      record_time_(clock.Now()),
      steady_(clock.Steady()),
      sampled_(record_time_),
      bytes_(inboxes_.size()),
      entries_(inboxes_.size()),
      behind_from_(inboxes_.size()),
      is_behind_(std::make_unique<std::atomic<bool>[]>(inboxes_.size())) {
  GEMEL_ASSERT(!inboxes_.empty() && inboxes_.size() <= kShardsMax);
}

Time Sequencer::Advance() {
  const Time wall = clock_.Now();
  if (wall <= record_time_) return record_time_;  // it went back, or no time has passed
  if (wall - record_time_ <= kJumpMax) {
    record_time_ = wall;
  } else {
    const auto passed = std::chrono::duration_cast<Duration>(clock_.Steady() - steady_);
    record_time_ = std::max(record_time_, std::min(wall, sampled_ + 2 * passed));
  }
  if (record_time_ - sampled_ >= kSampleEvery) {
    steady_ = clock_.Steady();
    sampled_ = record_time_;
  }
  return record_time_;
}

void Sequencer::Attach(Journal& journal, Catalog catalog, Time last) {
  const std::lock_guard lock(mutex_);
  GEMEL_ASSERT(counter_ == 0);
  journal_ = &journal;
  builder_.emplace(std::move(catalog));
  record_time_ = std::max(record_time_, last);
  sampled_ = record_time_;
}

Sequencer::Outcome Sequencer::Append(std::span<Record> frame, By by) {
  Outcome outcome{};
  uint64_t touched = 0;
  {
    const std::lock_guard lock(mutex_);
    outcome = AppendLocked(frame);
    touched = std::exchange(touched_, 0);
  }
  Serve(touched, by);
  return outcome;
}

void Sequencer::Serve(uint64_t shards, By by) {
  static_assert(kShardsMax <= 64, "a bit a shard");
  for (; shards != 0; shards &= shards - 1) {
    const ShardInbox& inbox = inboxes_[static_cast<size_t>(std::countr_zero(shards))];
    const bool is_done = by == By::kCaller && inbox.turn != nullptr && inbox.turn->TryTake(*this);
    if (!is_done) inbox.parker->Wake();
  }
}

Sequencer::Outcome Sequencer::AppendLocked(std::span<Record> frame) {
  if (journal_ == nullptr) return AppendToMailboxes(frame);
  const uint64_t counter = counter_;
  Stamp(frame);
  JournalPlace place;
  const Outcome outcome = WriteToJournal(frame, place);
  if (outcome == Outcome::kAppended) {
    Distribute(frame, place);
  } else {
    counter_ = counter;
  }
  return outcome;
}

void Sequencer::Stamp(std::span<Record> frame) {
  const Time now = Advance();
  for (Record& record : frame) {
    record.lsn = MakeLsn(epoch_, ++counter_);
    record.record_time = now;
  }
}

Sequencer::Outcome Sequencer::AppendToMailboxes(std::span<Record> frame) {
  CountBytes(frame);
  for (uint32_t shard = 0; shard < inboxes_.size(); ++shard) {
    const Mailbox& mailbox = *inboxes_[shard].mailbox;
    if (bytes_[shard] + 16 * entries_[shard] > mailbox.entry_bytes_max()) return Outcome::kTooLarge;
    if (!mailbox.HasRoom(bytes_[shard], entries_[shard])) return Outcome::kFull;
  }
  Stamp(frame);
  for (const Record& record : frame) {
    const uint32_t shard = ShardOf(record.key_hash);
    const size_t bytes = EncodedSize(record);
    std::byte* const entry = inboxes_[shard].mailbox->Reserve(bytes);
    GEMEL_ASSERT(entry != nullptr);  // room was counted above
    Encode(record, entry);
    handed_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    touched_ |= uint64_t{1} << shard;
  }
  Publish();
  return Outcome::kAppended;
}

Sequencer::Outcome Sequencer::WriteToJournal(std::span<const Record> frame, JournalPlace& place) {
  size_t needed = 0;
  for (const Record& record : frame) needed += EncodedSize(record);
  if (needed > journal_->body_bytes_max()) return Outcome::kTooLarge;
  std::span<std::byte> bytes = builder_->Build(frame);
  if (!journal_->HasRoomFor(bytes.size() - kFrameHeadBytes)) {
    builder_->BeginSegment();
    bytes = builder_->Build(frame);
  }
  if (bytes.size() - kFrameHeadBytes > journal_->body_bytes_max()) {
    builder_->BeginSegment();  // what this frame defined is not written
    return Outcome::kTooLarge;
  }
  CrashPoint("journal.before_write");
  const Status status = journal_->Append(frame.front().lsn, frame.front().record_time, bytes);
  if (!status.ok()) {
    builder_->BeginSegment();  // what this frame defined was not written
    return status.code() == Code::kFull ? Outcome::kFull : Outcome::kFailed;
  }
  CrashPoint("journal.written");
  place = journal_->place();
  place.offset -= bytes.size();
  return Outcome::kAppended;
}

void Sequencer::Distribute(std::span<const Record> frame, JournalPlace place) {
  if (frame.size() > 1) {
    // A shard gets all its records of a frame in one way.
    CountBytes(frame);
    for (uint32_t shard = 0; shard < inboxes_.size(); ++shard) {
      const Mailbox& mailbox = *inboxes_[shard].mailbox;
      const bool has_room = entries_[shard] == 0 ||
                            (bytes_[shard] + 16 * entries_[shard] <= mailbox.entry_bytes_max() &&
                             mailbox.HasRoom(bytes_[shard], entries_[shard]));
      if (!has_room) FallBehind(shard, place);
    }
  }
  for (size_t i = 0; i < frame.size(); ++i) {
    if (!IsOfTwin(frame[i].kind)) continue;
    const std::span<const std::byte> record = builder_->record(i);
    handed_bytes_.fetch_add(record.size() + kReadAhead, std::memory_order_relaxed);
    const uint32_t shard = ShardOf(frame[i].key_hash);
    if (IsBehind(shard)) continue;
    if (Put(record, shard)) {
      touched_ |= uint64_t{1} << shard;
    } else {
      GEMEL_ASSERT(frame.size() == 1);  // room was counted above for more
      FallBehind(shard, place);
    }
  }
  Publish();
}

bool Sequencer::Put(std::span<const std::byte> record, uint32_t shard) {
  std::byte* const entry = inboxes_[shard].mailbox->Reserve(record.size() + kReadAhead);
  if (entry == nullptr) return false;
  std::memcpy(entry, record.data(), record.size());
  std::memset(entry + record.size(), 0, kReadAhead);
  return true;
}

void Sequencer::CountBytes(std::span<const Record> frame) {
  std::ranges::fill(bytes_, 0);
  std::ranges::fill(entries_, 0);
  for (const Record& record : frame) {
    const uint32_t shard = ShardOf(record.key_hash);
    bytes_[shard] += EncodedSize(record);
    ++entries_[shard];
  }
}

void Sequencer::FallBehind(uint32_t shard, JournalPlace from) {
  if (IsBehind(shard)) return;
  behind_from_[shard] = from;
  is_behind_[shard].store(true, std::memory_order_release);
  touched_ |= uint64_t{1} << shard;
}

void Sequencer::Publish() {
  for (uint64_t shards = touched_; shards != 0; shards &= shards - 1)
    inboxes_[static_cast<size_t>(std::countr_zero(shards))].mailbox->Publish();
}

bool Sequencer::Replay(std::span<const std::byte> record) {
  uint64_t touched = 0;
  {
    const std::lock_guard lock(mutex_);
    GEMEL_ASSERT(journal_ == nullptr);
    const uint32_t shard = ShardOf(RecordView(record).key_hash());
    if (!Put(record, shard)) return false;
    handed_bytes_.fetch_add(record.size() + kReadAhead, std::memory_order_relaxed);
    touched_ |= uint64_t{1} << shard;
    Publish();
    touched = std::exchange(touched_, 0);
  }
  Serve(touched, By::kShard);
  return true;
}

JournalPlace Sequencer::BehindFrom(uint32_t shard) {
  const std::lock_guard lock(mutex_);
  return behind_from_[shard];
}

JournalPlace Sequencer::CatchUp(uint32_t shard, JournalPlace reached) {
  const std::lock_guard lock(mutex_);
  const JournalPlace end = journal_->place();
  if (reached == end) is_behind_[shard].store(false, std::memory_order_relaxed);
  return end;
}

Lsn Sequencer::last() {
  const std::lock_guard lock(mutex_);
  return MakeLsn(epoch_, counter_);
}

uint64_t Sequencer::lag() const {
  // Read first, so that what is applied meanwhile makes it smaller, not wrong.
  const uint64_t handed = handed_bytes_.load(std::memory_order_relaxed);
  uint64_t applied = 0;
  for (const ShardInbox& inbox : inboxes_) {
    if (inbox.applied_bytes != nullptr) applied += inbox.applied_bytes->value();
  }
  return handed - std::min(handed, applied);
}

void Sequencer::WaitForRoom(std::chrono::milliseconds timeout) {
  std::unique_lock lock(room_mutex_);
  ++waiting_;
  // Spurious returns are fine: the caller tries again. The cap covers a notice that came just
  // before.
  room_.wait_for(lock, std::min(timeout, std::chrono::milliseconds(10)));
  --waiting_;
}

void Sequencer::WakeWaiting() noexcept {
  const std::lock_guard lock(room_mutex_);
  room_.notify_all();
}

Time Sequencer::Now() {
  const std::lock_guard lock(mutex_);
  return Advance();
}

}  // namespace gemel::journal
