#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "gateway/base/clock.h"

namespace gemel {

// A number that one thread adds to and any thread reads. Not a read-modify-write: on the hot path
// that would be the dearest instruction.
class Counter {
 public:
  void Add(uint64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// The same for several writers, off the hot path.
class SharedCounter {
 public:
  void Add(uint64_t amount = 1) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How long something takes, in buckets that double: bucket i counts less than 2^i ticks. One thread
// adds, any thread reads.
class TickHistogram {
 public:
  static constexpr size_t kBuckets = 48;
  void Add(uint64_t ticks) noexcept {
    buckets_[static_cast<size_t>(std::bit_width(ticks)) % kBuckets].Add();
    sum_.Add(ticks);
  }
  uint64_t bucket(size_t index) const noexcept { return buckets_[index].value(); }
  // Upper bound of a bucket.
  static double Seconds(size_t index) noexcept {
    return TicksToNanoseconds(uint64_t{1} << index) * 1e-9;
  }
  double sum_seconds() const noexcept { return TicksToNanoseconds(sum_.value()) * 1e-9; }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
};

}  // namespace gemel
