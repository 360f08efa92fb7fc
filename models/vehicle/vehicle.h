#pragma once

#include <optional>

#include "gateway/sdk/alarm.hpp"
#include "gateway/sdk/model.hpp"
#include "models/vehicle/timetable.h"
#include "models/vehicle/vehicle_device.h"

// The twin of a bus that reports where it is: see README.md for its signals, alerts and commands.
namespace vehicle {

using gemel::kNoInteger;
using gemel::kNoNumber;
using gemel::kNoTime;
using gemel::Last;
using gemel::Symbol;
using gemel::Time;

enum class Phase : uint8_t { kUnknown, kMoving, kAtStop, kHalted, kStalled };
inline constexpr const char* kPhases[] = {"unknown", "moving", "at_stop", "halted", "stalled"};

struct State {
  Last<double> latitude_deg, longitude_deg, speed_mps;
  Last<Symbol> route_id, trip_id, headsign;
  int64_t reported_ms = kNoInteger, delay_s = kNoInteger;
  // The last position that was believed, and where the vehicle stands since when.
  double accepted_latitude_deg = kNoNumber, accepted_longitude_deg = kNoNumber;
  double stood_latitude_deg = kNoNumber, stood_longitude_deg = kNoNumber;
  Time accepted_at = kNoTime, stopped_since = kNoTime;
  Symbol judged_trip;  // that delay_s is about
  Phase phase = Phase::kUnknown;
  bool is_stalled = false, is_jump = false, is_speeding = false, is_late = false;
  gemel::Text<14> planned_stop;
};

class Vehicle {
 public:
  using State = vehicle::State;
  using Device = BusDevice;
  static constexpr const char* kName = "vehicle";
  static constexpr const char* kMeaning = "A bus on its trips, by the positions that it reports.";
  static const gemel::Fields<State>& fields();

  explicit Vehicle(const gemel::Setup& setup);
  void on_telemetry(State& s, const gemel::Message& message, gemel::Context& context) const;

 private:
  bool Accept(State& s, Time now) const;
  void JudgeSpeed(State& s, gemel::Context& context) const;
  void JudgePlace(State& s, Time now, gemel::Context& context) const;
  void JudgeStand(State& s, Time now, bool is_at_stop, gemel::Context& context) const;

  std::optional<Timetable> timetable_;
  double speed_limit_mps_, jump_mps_, stop_radius_m_, stand_radius_m_, utc_offset_s_;
  double late_after_s_, late_until_s_;
  gemel::Duration stall_after_, gap_max_;
};

}  // namespace vehicle
