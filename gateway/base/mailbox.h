#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "gateway/base/parker.h"

namespace gemel {

// A bounded ring of variable-sized entries from one producer at a time to one consumer, without
// locks or allocation. Entries are contiguous, 8-byte aligned, and read in place. Full is a return
// value.
//
// Producers take turns by a lock of their own (the sequencer's); the consumer is one thread.
class Mailbox {
 public:
  // REQUIRES: `bytes` is a power of two, at least 4,096.
  explicit Mailbox(size_t bytes);

  // Producer. The largest entry that can ever fit.
  size_t entry_bytes_max() const { return capacity_ / 2 - kHeaderBytes; }
  // Whether entries of these sizes together have room now, in the worst case of wrapping.
  bool HasRoom(size_t bytes, size_t entries) const noexcept;
  // Space for one entry, or nullptr when full. Not visible to the consumer before Publish.
  std::byte* Reserve(size_t bytes) noexcept;
  // Makes all entries reserved since the last call visible.
  void Publish() noexcept;

  // Consumer. The next entry that was not yet looked at, in order; empty if there is none. Views
  // stay valid until Release.
  std::span<std::byte> Next() noexcept;
  // Gives the space of all entries returned by Next back to the producer.
  void Release() noexcept;

  // Any thread. An estimate while others are at work.
  size_t bytes_waiting() const noexcept {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed);
  }
  bool is_empty() const noexcept {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
  static constexpr size_t kHeaderBytes = 8;
  static constexpr uint32_t kWrap = UINT32_MAX;  // the rest of the ring is skipped
  struct FreeBytes {
    void operator()(std::byte* bytes) const;
  };

  // Constant after construction.
  size_t capacity_;
  std::unique_ptr<std::byte[], FreeBytes> ring_;
  // Written by the producer.
  alignas(64) std::atomic<uint64_t> head_{0};
  uint64_t reserved_ = 0;
  // A stale copy of tail_, which is read again only when the ring looks full.
  uint64_t tail_seen_ = 0;
  // Written by the consumer.
  alignas(64) std::atomic<uint64_t> tail_{0};
  uint64_t looked_ = 0;
  uint64_t head_seen_ = 0;
};

}  // namespace gemel
