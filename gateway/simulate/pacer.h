#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "gateway/sdk/types.hpp"

namespace gemel::simulate {

// How fast virtual time may run against real time. With both limits the slower one counts, with
// neither it runs as fast as the machine.
struct Pace {
  std::optional<double> speed;  // virtual seconds a second
  std::optional<double> rate;   // messages a second, of the whole fleet
};

// Says when the next thing may happen. Immutable; knows no clock.
class Pacer {
 public:
  // REQUIRES: speed and rate are above 0.
  Pacer(Pace pace, Time start) : pace_(pace), start_(start) {}

  // How long after real time `elapsed` (since the start) to wait for what is due at virtual time
  // `next`, after `sent` messages; 0 if it may happen. What came too late is caught up with.
  std::chrono::nanoseconds WaitFor(Time next, uint64_t sent,
                                   std::chrono::nanoseconds elapsed) const;
  // Virtual time now, where real time decides it.
  std::optional<Time> VirtualNow(std::chrono::nanoseconds elapsed) const;

 private:
  const Pace pace_;
  const Time start_;
};

}  // namespace gemel::simulate
