#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/parker.h"
#include "gateway/base/stats.h"
#include "gateway/effects/backlog.h"
#include "gateway/effects/effect.h"

namespace gemel::effects {

// Effects that wait to be sent. Shards and intake append and are never held; the effects thread
// takes everything at once. The bound is kept by intake, which stops admitting records while the
// outbox is over it, or by dropping the oldest: the effects thread does, and while it is not there
// to do so, Append does from an eighth above the bound on. Dead letters, which no promise covers,
// are dropped here beyond a share in any case.
class Outbox final : public Sink, public Backlog {
 public:
  Outbox(size_t bytes_max, Parker& consumer, WhenFull when_full = WhenFull::kHold)
      : bytes_max_(bytes_max), when_full_(when_full), consumer_(consumer) {}

  // Any thread. Copies the effect. A dead letter beyond its share is dropped and counted.
  void Append(const Effect& effect) override;
  void Flush() noexcept override { consumer_.Wake(); }

  // Bytes appended and not yet forgotten by the effects thread.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  size_t bytes_max() const { return bytes_max_; }
  size_t effects() const { return effects_.load(std::memory_order_relaxed); }
  bool is_over() const override { return when_full_ == WhenFull::kHold && bytes() > bytes_max_; }
  std::string why_over() const override;
  bool has_recovered() const override {
    return when_full_ != WhenFull::kHold || bytes() <= bytes_max_ / 2;
  }
  // Whether the oldest effect is to be dropped, and how many were.
  bool must_drop() const { return when_full_ == WhenFull::kDropOldest && bytes() > bytes_max_; }
  void CountDropped() { dropped_.Add(); }
  uint64_t dropped() const { return dropped_.value(); }
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
  // With mutex_ held.
  void DropWaiting();

  const size_t bytes_max_;
  const WhenFull when_full_;
  Parker& consumer_;
  // A lock, because several shards append to one queue and the consumer takes it whole: held for
  // one copy, and never while anything is sent.
  std::mutex mutex_;
  std::vector<std::byte> waiting_;
  size_t waiting_from_ = 0;  // what lies before it was dropped
  std::atomic<bool> has_some_{false};
  std::atomic<size_t> bytes_{0};
  std::atomic<size_t> effects_{0};
  SharedCounter dead_letters_dropped_;
  SharedCounter dropped_;
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
