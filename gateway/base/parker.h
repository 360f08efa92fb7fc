#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace gemel {

// Lets one thread sleep until others have work for it, at the price of one atomic operation for
// those who bring it while it is awake. The sleeper announces itself, looks for work once more,
// then parks:
//
//   parker.Announce();
//   if (has_work()) parker.Retract(); else parker.Park(timeout);
class Parker {
 public:
  // Sleeper only. From here on Wake has an effect.
  void Announce() noexcept { state_.exchange(kAsleep, std::memory_order_seq_cst); }
  void Retract() noexcept { state_.store(kAwake, std::memory_order_relaxed); }
  // Sleeper only; returns when woken, at the timeout, or spuriously. REQUIRES: Announce() before.
  void Park(std::optional<std::chrono::nanoseconds> timeout) noexcept;

  // Any thread, after the work has been made visible.
  void Wake() noexcept {
    // A read-modify-write, so that it is ordered against Announce: either it sees kAsleep, or the
    // sleeper's last look for work sees the work. A plain load would need a fence.
    if (state_.fetch_or(0, std::memory_order_seq_cst) == kAsleep) WakeSleeper();
  }

 private:
  static constexpr uint32_t kAwake = 0;
  static constexpr uint32_t kAsleep = 1;
  void WakeSleeper() noexcept;
  std::atomic<uint32_t> state_{kAwake};
};

}  // namespace gemel
