#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "gateway/sdk/types.hpp"

namespace gemel {

// Where time comes from. A parameter of whatever needs it, so that tests and simulation can drive
// it.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall-clock time; may jump either way.
  virtual Time Now() const = 0;
  // Never goes back; from an arbitrary start.
  virtual std::chrono::nanoseconds Steady() const = 0;
};

// The machine's clocks. Any thread.
class SystemClock final : public Clock {
 public:
  Time Now() const override;
  std::chrono::nanoseconds Steady() const override;
};

// A clock that a test moves. Any thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start) : now_us_(start.time_since_epoch().count()) {}
  Time Now() const override { return Time{Duration{now_us_.load()}}; }
  std::chrono::nanoseconds Steady() const override {
    return std::chrono::nanoseconds{steady_ns_.load()};
  }
  void Advance(Duration duration) {
    now_us_ += duration.count();
    steady_ns_ += std::chrono::nanoseconds(duration).count();
  }
  // The wall clock jumps, as NTP or an operator makes it; steady time does not.
  void JumpTo(Time now) { now_us_ = now.time_since_epoch().count(); }

 private:
  std::atomic<int64_t> now_us_;
  std::atomic<int64_t> steady_ns_{0};
};

// A cheap counter for timing short pieces of code on one thread: the time-stamp counter where there
// is one, otherwise the steady clock. Convert differences with TicksToNanoseconds.
uint64_t Ticks() noexcept;
double TicksToNanoseconds(uint64_t ticks) noexcept;

}  // namespace gemel
