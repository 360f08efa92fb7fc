#pragma once

#include "gateway/sdk/model.hpp"
#include "models/truck/truck_device.h"
#include "models/truck/truck_state.h"

// The twin of a long-haul truck: see README.md for its signals, alerts and commands.
namespace truck {

class Truck {
 public:
  using State = truck::State;
  using Device = TruckDevice;
  static constexpr const char* kName = "truck";
  static constexpr const char* kMeaning = "A long-haul truck with its driver, engine and cargo.";
  static const gemel::Fields<State>& fields() { return StateFields(); }

  explicit Truck(const gemel::Setup& setup);
  void on_telemetry(State& s, const gemel::Message& message, gemel::Context& context) const;

 private:
  void JudgeMotion(State& s, Time now, gemel::Context& context) const;
  void JudgeHours(State& s, Time now, gemel::Context& context) const;
  void JudgeRoute(State& s, Time now, gemel::Context& context) const;
  void JudgeEngine(State& s, gemel::Context& context) const;
  void JudgeLoad(State& s, Time now, gemel::Context& context) const;

  MotionLimits motion_;
  Band coolant_, oil_temp_, oil_pressure_;
  Duration gap_max_, rest_min_, remind_every_, off_route_after_, cargo_after_;
  double drive_limit_s_, corridor_m_, stop_radius_m_, service_margin_km_, fuel_low_;
};

}  // namespace truck
