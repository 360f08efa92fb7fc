#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/sdk/device.hpp"
#include "gateway/sdk/geo.hpp"

// A simulated long-haul truck: drives between its planned stops, rests, heats up, burns fuel, obeys
// commands, and now and then has a fault that it states as the truth.
namespace truck {

// What a haulier would know of a truck before it speaks. A pure function of the id, so that the
// device and the profile of a demonstration agree without talking: trucks.csv is made of it.
struct Plan {
  std::string_view region;
  std::string_view fleet;
  std::string_view driver;
  double cargo_min_c = 0;
  double cargo_max_c = 0;
  double odometer_km = 0;  // where the simulation begins
  double service_due_km = 0;
  int64_t known_fault_code = 0;  // 0: none
  std::array<gemel::Position, 4> stops{};
};
Plan PlanOf(std::string_view id);

// The profile of truck-1 to truck-<count> as CSV, header first.
std::string ProfileCsv(int count);

struct TruckDevice {
  enum class Mode : uint8_t { kDriving, kAtStop, kBraking, kResting, kStalled };
  enum class Fault : uint8_t { kNone, kOverheat, kStall, kCargo, kOffRoute, kEngineCode };

  struct State {
    Mode mode = Mode::kDriving;
    Fault fault = Fault::kNone;
    bool is_over_hours = false;  // as last stated
    bool is_news = true;         // something changed that is otherwise sent only now and then
    int32_t leg = 0;             // from stop `leg` to the next one; turns round at the ends
    int32_t direction = 1;
    int64_t seq = 0;
    int64_t last_ms = 0;
    int64_t mode_until_ms = 0;
    int64_t fault_at_ms = 0;  // when the next one begins, or while there is one, when it ends
    double along_m = 0;       // on the leg
    double beside_m = 0;      // to the right of it
    double speed_kmh = 0, cruise_kmh = 85, rest_s = 2'700;
    double coolant_c = 88, oil_c = 100, oil_kpa = 350, fuel_fraction = 0.8, load_kg = 0;
    double cargo_c = 0, odometer_km = 0, tacho_s = 0;
  };

  static void on_start(State& s, gemel::DeviceContext& context);
  static void on_tick(State& s, gemel::DeviceContext& context);
  static void on_command(State& s, const gemel::Command& command, gemel::DeviceContext& context);
};

}  // namespace truck
