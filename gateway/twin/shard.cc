#include "gateway/twin/shard.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace gemel::twin {
namespace {

// Records looked at together, so that the memory of later ones is fetched while earlier ones run.
constexpr size_t kBatch = 16;
// Twins fetched ahead of the one at work: more would push each other out of the nearest cache.
constexpr size_t kAhead = 3;

}  // namespace

Shard::Shard(const World& world, effects::Sink& sink, size_t mailbox_bytes)
    : mailbox_(mailbox_bytes), engine_(world, sink) {}

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

void Shard::Run(journal::Sequencer& sequencer) {
  while (true) {
    const bool has_applied = ApplySome(sequencer);
    const bool has_answered = RunSlice();
    if (has_applied || has_answered) continue;
    if (is_stopping_.load(std::memory_order_seq_cst)) {
      if (!HasWork() && Close()) return;
      continue;
    }
    // Whoever has work for us may be waiting for this core: met now it costs neither of us a sleep.
    std::this_thread::yield();
    if (HasWork()) continue;
    parker_.Announce();
    if (HasWork() || is_stopping_.load(std::memory_order_seq_cst)) {
      parker_.Retract();
    } else {
      parker_.Park(std::nullopt);
    }
  }
}

bool Shard::ApplySome(journal::Sequencer& sequencer) {
  std::array<std::span<std::byte>, kBatch> batch;
  size_t count = 0;
  while (count < kBatch) {
    batch[count] = mailbox_.Next();
    if (batch[count].empty()) break;
    engine_.PrefetchIndex(journal::RecordView(batch[count]));
    ++count;
  }
  if (count == 0) return false;
  for (size_t i = 0; i < std::min(kAhead, count); ++i) {
    engine_.PrefetchTwin(journal::RecordView(batch[i]));
  }
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) engine_.PrefetchTwin(journal::RecordView(batch[i + kAhead]));
    engine_.Apply(journal::RecordView(batch[i]));
  }
  mailbox_.Release();
  sequencer.SpaceFreed();
  return true;
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
