#include "gateway/twin/shard.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "gateway/base/crash_point.h"
#include "gateway/base/end_process.h"
#include "gateway/journal/frame.h"

namespace gemel::twin {
namespace {

// Twins fetched ahead of the one at work: more would push each other out of the nearest cache.
constexpr size_t kAhead = 3;
// What turns of others may take of the time, and how much beyond it before they are left to the
// shard's thread, and for how long. A single one counts so much at most: whoever takes it may have
// lost its core.
constexpr int kTurnShare = 8;
constexpr std::chrono::microseconds kOverdraftMax{1'000};
constexpr std::chrono::microseconds kTurnCounted{200};
constexpr std::chrono::milliseconds kTurnsPause{100};
// Timers that are due become records so many at a time, so that messages need not wait for all.
constexpr size_t kDueBatch = 64;
// Where those find no room, and where record time has not reached them though the clock has.
constexpr std::chrono::milliseconds kDueAgain{10};

}  // namespace

Shard::Shard(uint32_t index, const World& world, effects::Sink& sink, size_t mailbox_bytes)
    : index_(index), mailbox_(mailbox_bytes), engine_(world, sink) {}

Shard::~Shard() {
  if (thread_.joinable()) DrainAndStop();
}

void Shard::Start(journal::Sequencer& sequencer) {
  thread_ = std::jthread([this, &sequencer] {
    pthread_setname_np(pthread_self(), "gemel-shard");
    Run(sequencer);
  });
}

void Shard::DrainAndStop() {
  is_stopping_.store(true, std::memory_order_seq_cst);
  parker_.Wake();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(requests_mutex_);
  is_closed_ = true;  // also if it was never started
}

void Shard::SetTiming(bool is_timing) {
  is_timing_.store(is_timing, std::memory_order_seq_cst);
  parker_.Wake();
}

bool Shard::Ask(Slice slice) {
  {
    const std::lock_guard lock(requests_mutex_);
    if (is_closed_) return false;
    requests_.push_back(std::move(slice));
    has_requests_.store(true, std::memory_order_release);
  }
  parker_.Wake();
  return true;
}

bool Shard::TryTake(journal::Sequencer& sequencer) {
  const std::unique_lock turn(turn_, std::try_to_lock);
  if (!turn.owns_lock() || sequencer.IsBehind(index_)) return false;
  const auto began = std::chrono::steady_clock::now();
  if (began < turns_from_) return false;
  ApplySome(sequencer);
  const auto ended = std::chrono::steady_clock::now();
  const std::chrono::nanoseconds fair = (began - std::exchange(last_turn_, began)) / kTurnShare;
  overdrawn_ += std::min<std::chrono::nanoseconds>(ended - began, kTurnCounted) - fair;
  overdrawn_ = std::max(overdrawn_, std::chrono::nanoseconds::zero());
  if (overdrawn_ > kOverdraftMax) {
    overdrawn_ = {};
    turns_from_ = ended + kTurnsPause;
  }
  const auto due = DueFrom();
  return !HasWork(sequencer) && (!due || *due >= sleeps_until_);
}

void Shard::Run(journal::Sequencer& sequencer) {
  std::unique_lock turn(turn_);
  while (true) {
    // Asked before the mailbox is found empty: what was put into it before the shard fell behind
    // comes first.
    const bool is_behind = sequencer.IsBehind(index_);
    const bool has_applied = ApplySome(sequencer);
    if (!sent_.empty()) {
      // Not a sign that the mailbox is empty.
      AwaitPassedOn(sequencer);
      continue;
    }
    if (is_behind && !has_applied) ReadOn(sequencer);
    const bool has_fired = FireDue(sequencer);
    const bool has_answered = RunSlice();
    if (has_applied || is_behind || has_answered || has_fired) continue;
    if (is_stopping_.load(std::memory_order_seq_cst)) {
      if (!HasWork(sequencer) && Close()) return;
      continue;
    }
    // Whoever has work for us may be waiting for this core: met now it costs neither of us a sleep.
    std::this_thread::yield();
    if (HasWork(sequencer)) continue;
    parker_.Announce();
    if (HasWork(sequencer) || is_stopping_.load(std::memory_order_seq_cst)) {
      parker_.Retract();
    } else {
      sleeps_until_ = DueFrom().value_or(Time::max());
      const auto wait = UntilDue(sequencer);
      turn.unlock();
      parker_.Park(wait);
      turn.lock();
    }
  }
}

bool Shard::FireDue(journal::Sequencer& sequencer) {
  const auto due = DueFrom();
  if (!due || sequencer.Wall() < *due) return false;
  if (std::chrono::steady_clock::now() < timers_held_until_) return false;
  const Time now = sequencer.Now();
  if (now < *due) return false;
  due_.clear();
  engine_.TakeDue(now, kDueBatch, due_);
  if (due_.empty()) return true;  // they were only brought nearer
  switch (sequencer.Append(due_)) {
    case journal::Sequencer::Outcome::kAppended:
      return true;
    case journal::Sequencer::Outcome::kFailed:
      EndProcess(sequencer.failure());
    case journal::Sequencer::Outcome::kFull:
    case journal::Sequencer::Outcome::kTooLarge:
      break;
  }
  engine_.PutBack();
  timers_held_until_ = std::chrono::steady_clock::now() + kDueAgain;
  return false;
}

std::optional<std::chrono::nanoseconds> Shard::UntilDue(const journal::Sequencer& sequencer) const {
  const auto due = DueFrom();
  if (!due) return std::nullopt;
  const Time now = sequencer.Wall();
  return *due > now ? std::chrono::nanoseconds(*due - now) : kDueAgain;
}

bool Shard::FillBatch() {
  next_ = 0;
  count_ = 0;
  while (count_ < kBatch) {
    batch_[count_] = mailbox_.Next();
    if (batch_[count_].empty()) break;
    engine_.PrefetchIndex(journal::RecordView(batch_[count_]));
    ++count_;
  }
  for (size_t i = 0; i < std::min(kAhead, count_); ++i)
    engine_.PrefetchTwin(journal::RecordView(batch_[i]));
  return count_ > 0;
}

bool Shard::ApplySome(journal::Sequencer& sequencer) {
  if (!sent_.empty() && !PassOnSent(sequencer)) return false;
  if (next_ == count_) {
    if (count_ > 0) ReleaseBatch(sequencer);
    if (!FillBatch()) return false;
  }
  while (next_ < count_) {
    if (next_ + kAhead < count_) engine_.PrefetchTwin(journal::RecordView(batch_[next_ + kAhead]));
    engine_.Apply(journal::RecordView(batch_[next_]));
    const size_t bytes = batch_[next_++].size();
    held_bytes_ = bytes;
    if (!PassOnSent(sequencer)) return true;
  }
  ReleaseBatch(sequencer);
  return true;
}

void Shard::ReleaseBatch(journal::Sequencer& sequencer) {
  next_ = 0;
  count_ = 0;
  mailbox_.Release();
  sequencer.SpaceFreed();
}

bool Shard::PassOnSent(journal::Sequencer& sequencer) {
  if (engine_.has_sent()) std::ranges::move(engine_.TakeSent(), std::back_inserter(sent_));
  if (!sent_.empty() && !AppendSent(sequencer)) return false;
  // Not before what it caused counts.
  applied_bytes_.Add(std::exchange(held_bytes_, 0));
  return true;
}

bool Shard::AppendSent(journal::Sequencer& sequencer) {
  if (!is_live_.load(std::memory_order_acquire)) {
    if (on_sent_) on_sent_(sent_);
    sent_.clear();
    return true;
  }
  std::vector<journal::Record> frame;
  frame.reserve(sent_.size());
  for (const journal::OwnedRecord& owned : sent_) frame.push_back(owned.view());
  CrashPoint("shard.before_sent");
  auto outcome = sequencer.Append(frame);
  if (outcome == journal::Sequencer::Outcome::kTooLarge) {
    // One by one they fit: limits and the least size of a segment see to that.
    outcome = sequencer.Append({frame.data(), 1});
    if (outcome == journal::Sequencer::Outcome::kAppended) sent_.erase(sent_.begin());
    return outcome == journal::Sequencer::Outcome::kAppended &&
           (sent_.empty() || AppendSent(sequencer));
  }
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer.failure());
  CrashPoint("shard.sent");
  if (outcome == journal::Sequencer::Outcome::kAppended) sent_.clear();
  return sent_.empty();
}

void Shard::AwaitPassedOn(journal::Sequencer& sequencer) {
  while (!PassOnSent(sequencer)) sequencer.WaitForRoom(kDueAgain);
}

void Shard::ReadOn(journal::Sequencer& sequencer) {
  if (!cursor_) {
    cursor_.emplace(sequencer.journal_folder(), sequencer.BehindFrom(index_));
    journal_end_ = cursor_->place();
  }
  for (size_t i = 0; i < kBatch; ++i) {
    const Result<std::optional<journal::Frame>> frame = cursor_->Next(journal_end_);
    if (!frame.ok()) EndProcess(frame.status().message());
    if (*frame) {
      ApplyFrame(**frame, sequencer);
      continue;
    }
    journal_end_ = sequencer.CatchUp(index_, cursor_->place());
    if (journal_end_ == cursor_->place()) {
      cursor_.reset();
      break;
    }
  }
  sequencer.SpaceFreed();
}

void Shard::ApplyFrame(const journal::Frame& frame, journal::Sequencer& sequencer) {
  journal::EntryReader entries(frame.body);
  while (const std::optional<journal::Entry> entry = entries.Next()) {
    if (entry->kind != journal::EntryKind::kRecord) continue;
    const journal::RecordView record(entry->content);
    const bool is_ours =
        journal::IsOfTwin(record.kind()) && sequencer.ShardOf(record.key_hash()) == index_;
    if (!is_ours) continue;
    engine_.Apply(record);
    held_bytes_ = entry->content.size() + journal::kReadAhead;
    AwaitPassedOn(sequencer);
  }
}

bool Shard::Close() {
  const std::lock_guard lock(requests_mutex_);
  is_closed_ = requests_.empty();
  return is_closed_;
}

bool Shard::RunSlice() {
  if (!has_requests_.load(std::memory_order_acquire)) return false;
  Slice slice;
  {
    const std::lock_guard lock(requests_mutex_);
    if (requests_.empty()) return false;
    slice = std::move(requests_.front());
    requests_.pop_front();
    has_requests_.store(!requests_.empty(), std::memory_order_release);
  }
  if (!slice(engine_)) {
    const std::lock_guard lock(requests_mutex_);
    requests_.push_front(std::move(slice));
    has_requests_.store(true, std::memory_order_release);
  }
  return true;
}

}  // namespace gemel::twin
