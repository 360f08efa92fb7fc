#pragma once

#include <cstdint>

#include "gateway/sdk/device.hpp"
#include "gateway/sdk/geo.hpp"

// A simulated bus on a ring line around the town: drives from stop to stop, and now and then
// stands, races or reports a position where it can't be, which it states as the truth.
namespace vehicle {

struct BusDevice {
  enum class Mode : uint8_t { kDriving, kAtStop };
  enum class Fault : uint8_t { kNone, kStall, kSpeeding, kJump };

  struct State {
    Mode mode = Mode::kDriving;
    Fault fault = Fault::kNone;
    int32_t line = 1;
    int64_t seq = 0;
    int64_t trip = 0;
    int64_t last_ms = 0;
    int64_t mode_until_ms = 0;
    int64_t fault_at_ms = 0;  // when the next one begins, or while there is one, when it ends
    double radius_m = 0;      // of the ring
    double along_m = 0;       // since the trip began
    double speed_mps = 0;
    double limit_mps = 0;  // as told by a command; 0: none
    gemel::Position centre;
  };

  static void on_start(State& s, gemel::DeviceContext& context);
  static void on_tick(State& s, gemel::DeviceContext& context);
  static void on_command(State& s, const gemel::Command& command, gemel::DeviceContext& context);
};

}  // namespace vehicle
