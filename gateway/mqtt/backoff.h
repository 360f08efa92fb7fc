#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace gemel::mqtt {

// How long to wait before the next attempt to connect: doubles from `min` to `max`, less up to a
// half by chance, so that a thousand gateways don't come back in the same instant. One thread.
class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // REQUIRES: 0 < min <= max
  Backoff(Milliseconds min, Milliseconds max, uint32_t seed = std::random_device{}())
      : min_(min), max_(max), next_(min), random_(seed) {}

  // In (d/2, d], where d doubles with every call; never above max, nor above `limit`.
  Milliseconds Next(Milliseconds limit = Milliseconds::max()) {
    const int64_t most = std::max<int64_t>(std::min(next_, limit).count(), 1);
    next_ = std::min(next_ * 2, max_);
    return Milliseconds(std::uniform_int_distribution<int64_t>(most / 2 + 1, most)(random_));
  }

  void Reset() { next_ = min_; }

 private:
  const Milliseconds min_;
  const Milliseconds max_;
  Milliseconds next_;
  std::minstd_rand random_;
};

}  // namespace gemel::mqtt
