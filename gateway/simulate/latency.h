#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gemel::simulate {

// Counts durations in buckets less than 1 % wide, so that any number of them takes 64 kB. One
// thread.
class Latency {
 public:
  // Below 0 counts as 0.
  void Add(std::chrono::nanoseconds duration);
  uint64_t count() const { return count_; }
  // The duration that a share of all, 0.99, does not exceed; 0 if there are none.
  std::chrono::nanoseconds Quantile(double share) const;

 private:
  static constexpr unsigned kBits = 7;  // of the number that tell buckets apart
  static size_t BucketOf(uint64_t ns);
  static uint64_t MiddleOf(size_t bucket);

  uint64_t count_ = 0;
  std::array<uint64_t, (65 - kBits) << kBits> buckets_{};
};

}  // namespace gemel::simulate
