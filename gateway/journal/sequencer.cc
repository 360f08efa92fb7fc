#include "gateway/journal/sequencer.h"

#include <algorithm>

#include "gateway/base/assert.h"

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
      entries_(inboxes_.size()) {
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

Sequencer::Outcome Sequencer::Append(std::span<Record> frame) {
  const std::lock_guard lock(mutex_);
  if (frame.size() > 1) {
    std::ranges::fill(bytes_, 0);
    std::ranges::fill(entries_, 0);
    for (const Record& record : frame) {
      const uint32_t shard = ShardOf(record.key_hash);
      bytes_[shard] += EncodedSize(record);
      ++entries_[shard];
    }
    for (uint32_t shard = 0; shard < inboxes_.size(); ++shard) {
      const Mailbox& mailbox = *inboxes_[shard].mailbox;
      if (bytes_[shard] + 16 * entries_[shard] > mailbox.entry_bytes_max())
        return Outcome::kTooLarge;
      if (!mailbox.HasRoom(bytes_[shard], entries_[shard])) return Outcome::kFull;
    }
  }
  const Time now = Advance();
  uint64_t touched = 0;
  static_assert(kShardsMax <= 64, "a bit a shard");
  for (Record& record : frame) {
    const uint32_t shard = ShardOf(record.key_hash);
    Mailbox& mailbox = *inboxes_[shard].mailbox;
    const size_t size = EncodedSize(record);
    if (size > mailbox.entry_bytes_max()) return Outcome::kTooLarge;
    std::byte* entry = mailbox.Reserve(size);
    if (entry == nullptr) {
      GEMEL_ASSERT(frame.size() == 1);  // room was counted above for more
      return Outcome::kFull;
    }
    record.lsn = MakeLsn(epoch_, ++counter_);
    record.record_time = now;
    Encode(record, entry);
    touched |= uint64_t{1} << shard;
  }
  for (uint32_t shard = 0; shard < inboxes_.size(); ++shard) {
    if ((touched >> shard & 1) == 0) continue;
    inboxes_[shard].mailbox->Publish();
    inboxes_[shard].parker->Wake();
  }
  return Outcome::kAppended;
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
