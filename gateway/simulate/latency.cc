#include "gateway/simulate/latency.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gemel::simulate {

// Numbers below 2^kBits have a bucket each; above, each power of two has 2^kBits.
size_t Latency::BucketOf(uint64_t ns) {
  const auto width = static_cast<unsigned>(std::bit_width(ns));
  if (width <= kBits) return ns;
  const unsigned shift = width - kBits - 1;
  return (static_cast<size_t>(shift) << kBits) + (ns >> shift);
}

uint64_t Latency::MiddleOf(size_t bucket) {
  if (bucket < (size_t{1} << kBits)) return bucket;
  const size_t shift = (bucket >> kBits) - 1;
  const uint64_t low = (bucket - (shift << kBits)) << shift;
  return low + ((uint64_t{1} << shift) >> 1);
}

void Latency::Add(std::chrono::nanoseconds duration) {
  ++buckets_[BucketOf(static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0)))];
  ++count_;
}

std::chrono::nanoseconds Latency::Quantile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size() && count_ > 0; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= std::max<uint64_t>(wanted, 1)) {
      return std::chrono::nanoseconds(static_cast<int64_t>(MiddleOf(bucket)));
    }
  }
  return std::chrono::nanoseconds(0);
}

}  // namespace gemel::simulate
