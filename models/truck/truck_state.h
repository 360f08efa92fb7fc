#pragma once

#include "gateway/sdk/alarm.hpp"
#include "models/truck/truck_rules.h"

// What the twin of a truck holds, and what it may say.
namespace truck {

using gemel::kNoInteger;
using gemel::kNoNumber;
using gemel::kNoTime;
using gemel::Last;
using gemel::Severity;
using gemel::Symbol;
using gemel::Time;

struct State {
  // Telemetry and topic.
  Last<double> latitude_deg, longitude_deg, elevation_m, speed_kmh, heading_deg, grade_pct;
  Last<double> fuel_rate, fuel_fraction, load_kg;
  Last<int64_t> status_code;
  Last<Symbol> fleet, driver, region;
  Last<double> coolant_temp_c, oil_temp_c, oil_pressure_kpa, cargo_temp_c, odometer_km, tacho_s;
  Last<int64_t> fault_code;
  Last<bool> engine_on, hazard_on;
  // Profile.
  double cargo_min_c = kNoNumber, cargo_max_c = kNoNumber, service_due_km = kNoNumber;
  int64_t known_fault_code = kNoInteger;
  double stop1_latitude_deg = kNoNumber, stop1_longitude_deg = kNoNumber;
  double stop2_latitude_deg = kNoNumber, stop2_longitude_deg = kNoNumber;
  double stop3_latitude_deg = kNoNumber, stop3_longitude_deg = kNoNumber;
  double stop4_latitude_deg = kNoNumber, stop4_longitude_deg = kNoNumber;
  Symbol planned_driver;
  // What the twin works out.
  Phase phase = Phase::kUnknown;
  Reading coolant = Reading::kNormal, oil_temp = Reading::kNormal, oil_pressure = Reading::kNormal;
  Reading fault = Reading::kNormal;
  bool is_stalled = false, is_expected = false, is_over_hours = false, is_off_route = false;
  bool is_cargo_out = false, is_fuel_low = false, is_other_driver = false;
  double driven_s = 0, off_route_m = kNoNumber;
  Time judged_at = kNoTime, moved_at = kNoTime, stopped_since = kNoTime, rest_since = kNoTime;
  Time off_route_since = kNoTime, cargo_out_since = kNoTime, reminded_at = kNoTime;
};
static_assert(sizeof(State) <= 700, "a million twins must fit; each cache line is a miss");

inline const gemel::Fields<State>& StateFields() {
  using gemel::computed;
  using gemel::profile;
  using gemel::telemetry;
  using S = State;
  static const gemel::Fields<State> kFields = {
      telemetry(&S::latitude_deg, "latitude_deg", "deg", "Latitude, WGS 84."),
      telemetry(&S::longitude_deg, "longitude_deg", "deg", "Longitude, WGS 84."),
      telemetry(&S::elevation_m, "elevation_m", "m", "Height above the sea."),
      telemetry(&S::speed_kmh, "speed_kmh", "km/h", "Speed over ground."),
      telemetry(&S::heading_deg, "heading_deg", "deg",
                "Direction of travel, clockwise from north."),
      telemetry(&S::grade_pct, "grade_pct", "%", "Slope of the road, positive uphill."),
      telemetry(&S::fuel_rate, "fuel_rate", "", "Fuel consumption, in the unit of the sender."),
      telemetry(&S::fuel_fraction, "fuel_fraction", "1", "Fill of the tank, 0 to 1."),
      telemetry(&S::load_kg, "load_kg", "kg", "Load on board."),
      telemetry(&S::status_code, "status_code", "", "Status by the sender's own numbering."),
      telemetry(&S::fleet, "fleet", "", "Fleet that the truck belongs to."),
      telemetry(&S::driver, "driver", "", "Driver who is signed in."),
      gemel::topic(&S::region, "region", "Region that the truck reports from."),
      telemetry(&S::coolant_temp_c, "coolant_temp_c", "degC", "Engine coolant temperature."),
      telemetry(&S::oil_temp_c, "oil_temp_c", "degC", "Engine oil temperature."),
      telemetry(&S::oil_pressure_kpa, "oil_pressure_kpa", "kPa", "Engine oil pressure."),
      telemetry(&S::cargo_temp_c, "cargo_temp_c", "degC", "Air temperature at the cargo."),
      telemetry(&S::odometer_km, "odometer_km", "km", "Distance travelled in the truck's life."),
      telemetry(&S::tacho_s, "tacho_s", "s", "Driving since the last rest, by the tachograph."),
      telemetry(&S::fault_code, "fault_code", "", "The engine's own diagnosis, 0 for none."),
      telemetry(&S::engine_on, "engine_on", "", "Whether the engine runs."),
      telemetry(&S::hazard_on, "hazard_on", "", "Whether the warning lights are on."),
      profile(&S::cargo_min_c, "cargo_min_c", "degC", "The cargo must not be colder."),
      profile(&S::cargo_max_c, "cargo_max_c", "degC", "The cargo must not be warmer."),
      profile(&S::service_due_km, "service_due_km", "km", "Odometer at which service is due."),
      profile(&S::known_fault_code, "known_fault_code", "",
              "Code that the workshop waits to mend."),
      profile(&S::stop1_latitude_deg, "stop1_latitude_deg", "deg", "First planned stop."),
      profile(&S::stop1_longitude_deg, "stop1_longitude_deg", "deg", "First planned stop."),
      profile(&S::stop2_latitude_deg, "stop2_latitude_deg", "deg", "Second planned stop."),
      profile(&S::stop2_longitude_deg, "stop2_longitude_deg", "deg", "Second planned stop."),
      profile(&S::stop3_latitude_deg, "stop3_latitude_deg", "deg", "Third planned stop."),
      profile(&S::stop3_longitude_deg, "stop3_longitude_deg", "deg", "Third planned stop."),
      profile(&S::stop4_latitude_deg, "stop4_latitude_deg", "deg", "Fourth planned stop."),
      profile(&S::stop4_longitude_deg, "stop4_longitude_deg", "deg", "Fourth planned stop."),
      profile(&S::planned_driver, "planned_driver", "", "Driver whom the plan names."),
      computed(&S::phase, "phase", kPhases, "What the truck is doing."),
      computed(&S::coolant, "coolant", kReadings, "How the coolant temperature is to be taken."),
      computed(&S::oil_temp, "oil_temp", kReadings, "How the oil temperature is to be taken."),
      computed(&S::oil_pressure, "oil_pressure", kReadings, "How the oil pressure is to be taken."),
      computed(&S::fault, "fault", kReadings, "How the engine's fault code is to be taken."),
      computed(&S::is_stalled, "is_stalled", "", "Stands on the road for too long."),
      computed(&S::is_expected, "is_expected", "", "A bad reading that its service explains."),
      computed(&S::is_over_hours, "is_over_hours", "", "The driver needs a rest."),
      computed(&S::is_off_route, "is_off_route", "", "Has left the planned route."),
      computed(&S::is_cargo_out, "is_cargo_out", "", "The cargo is too cold or too warm."),
      computed(&S::is_fuel_low, "is_fuel_low", "", "The tank is nearly empty."),
      computed(&S::is_other_driver, "is_other_driver", "", "Not the planned driver."),
      computed(&S::driven_s, "driven_s", "s", "Driving since the last rest."),
      computed(&S::off_route_m, "off_route_m", "m", "Distance from the planned route."),
      computed(&S::judged_at, "judged_at", "", "Event time of the newest message judged."),
      computed(&S::moved_at, "moved_at", "", "Event time of the newest speed judged."),
      computed(&S::stopped_since, "stopped_since", "", "Since when the truck stands."),
      computed(&S::rest_since, "rest_since", "", "Since when the driver rests."),
      computed(&S::off_route_since, "off_route_since", "", "Since when it is beside the route."),
      computed(&S::cargo_out_since, "cargo_out_since", "",
               "Since when the cargo is out of limits."),
      computed(&S::reminded_at, "reminded_at", "", "When the driver was last told to rest."),
  };
  return kFields;
}

inline constexpr gemel::Alarm kStalled{Severity::kMajor, "stalled",
                                       "Stands on the road, away from its planned stops"};
inline constexpr gemel::Alarm kHours{Severity::kWarning, "hours_exceeded",
                                     "Driver has been at the wheel for too long"};
inline constexpr gemel::Alarm kOffRoute{Severity::kWarning, "off_route", "Left the planned route"};
inline constexpr gemel::Alarm kCoolant{Severity::kMajor, "engine_overheat", "Coolant is too hot"};
inline constexpr gemel::Alarm kOilTemp{Severity::kMajor, "oil_overheat", "Engine oil is too hot"};
inline constexpr gemel::Alarm kOilPressure{Severity::kMajor, "oil_pressure_low",
                                           "Oil pressure is too low"};
inline constexpr gemel::Alarm kFault{Severity::kMajor, "new_fault",
                                     "Engine reports a fault that the workshop does not know"};
inline constexpr gemel::Alarm kExpected{Severity::kInfo, "service_expected",
                                        "A bad reading that the coming service explains"};
inline constexpr gemel::Alarm kCargo{Severity::kMajor, "cargo_temperature",
                                     "Cargo is outside its temperature limits"};
inline constexpr gemel::Alarm kFuel{Severity::kWarning, "fuel_low", "Tank is nearly empty"};
inline constexpr gemel::Alarm kDriver{Severity::kInfo, "other_driver",
                                      "Somebody else drives than planned"};

}  // namespace truck
