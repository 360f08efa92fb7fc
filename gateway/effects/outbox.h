#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gateway/base/parker.h"
#include "gateway/base/stats.h"
#include "gateway/effects/effect.h"

namespace gemel::effects {

// Effects that wait to be sent. Shards and intake append and are never held; the effects thread
// takes everything at once. The bound is kept by intake, which stops admitting records while the
// outbox is over it; only dead letters, which no promise covers, are dropped here beyond a share.
class Outbox final : public Sink {
 public:
  Outbox(size_t bytes_max, Parker& consumer) : bytes_max_(bytes_max), consumer_(consumer) {}

  // Any thread. Copies the effect. A dead letter beyond its share is dropped and counted.
  void Append(const Effect& effect) override;
  void Flush() noexcept override { consumer_.Wake(); }

  // Bytes appended and not yet forgotten by the effects thread.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  size_t effects() const { return effects_.load(std::memory_order_relaxed); }
  size_t bytes_max() const { return bytes_max_; }
  bool is_over() const { return bytes() > bytes_max_; }
  uint64_t dead_letters_dropped() const { return dead_letters_dropped_.value(); }

  // Any thread. What was appended and not taken yet.
  std::vector<std::byte> Waiting();
  // Effects thread. Exchanges what was appended for an empty buffer. False if there was nothing.
  bool Take(std::vector<std::byte>& batch);
  bool is_empty() const { return !has_some_.load(std::memory_order_acquire); }
  // Effects thread: an effect of this size is done with.
  void Forget(size_t bytes) {
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    effects_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  const size_t bytes_max_;
  Parker& consumer_;
  // A lock, because several shards append to one queue and the consumer takes it whole: held for
  // one copy, and never while anything is sent.
  std::mutex mutex_;
  std::vector<std::byte> waiting_;
  std::atomic<bool> has_some_{false};
  std::atomic<size_t> bytes_{0};
  std::atomic<size_t> effects_{0};
  SharedCounter dead_letters_dropped_;
};

// Reads the effects of a batch in order. An effect's bytes, as counted by the outbox, come with it.
class BatchReader {
 public:
  explicit BatchReader(const std::vector<std::byte>& batch) : batch_(batch) {}
  bool Next(Effect& effect, size_t& bytes);

 private:
  const std::vector<std::byte>& batch_;
  size_t at_ = 0;
};

}  // namespace gemel::effects
