#include "models/truck/truck_device.h"

#include <algorithm>
#include <cmath>

namespace truck {

namespace {

using gemel::DeviceContext;
using gemel::Plane;
using gemel::Position;
using Mode = TruckDevice::Mode;
using Fault = TruckDevice::Fault;
using State = TruckDevice::State;

constexpr double kDriveLimitS = 16'200;  // the law's: four and a half hours
constexpr double kRestMinS = 2'700;
constexpr double kFaultEveryS = 30 * 3'600;
constexpr int kFullEvery = 10;  // messages; what rarely changes is sent only now and then
constexpr int64_t kNewCode = 3'251;
constexpr const char* kFaults[] = {"",          "engine_overheat", "stalled", "cargo_temperature",
                                   "off_route", "new_fault"};

struct Hub {
  std::string_view region;
  Position position;
};
constexpr Hub kHubs[] = {{"CO", {39.74, -104.99}}, {"TX", {32.78, -96.80}}, {"KS", {37.69, -97.34}},
                         {"MO", {38.63, -90.20}},  {"TN", {36.16, -86.78}}, {"IA", {41.59, -93.62}},
                         {"UT", {40.76, -111.89}}, {"ND", {46.88, -96.79}}};
constexpr std::string_view kFleets[] = {"North", "South", "East", "West"};
constexpr std::string_view kDrivers[] = {"Abel",  "Beatriz", "Chidi", "Dorota", "Emil",  "Farah",
                                         "Goran", "Hanna",   "Ivo",   "Jamila", "Kofi",  "Lena",
                                         "Mateo", "Nadia",   "Oskar", "Priya",  "Quinn", "Rosa",
                                         "Sami",  "Tove",    "Uma",   "Vasil",  "Wanda", "Yusuf"};

// A small generator whose numbers depend on the id alone.
class Dice {
 public:
  explicit Dice(std::string_view id) {
    for (const char c : id) state_ = (state_ ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  double Uniform(double low, double high) {
    state_ += 0x9E3779B97F4A7C15U;  // splitmix64
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return low + (high - low) * static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  }
  template <typename T, size_t kCount>
  const T& Pick(const T (&choices)[kCount]) {
    return choices[static_cast<size_t>(Uniform(0, kCount))];
  }

 private:
  uint64_t state_ = 0xCBF29CE484222325U;
};

double Round(double value, double steps_per_unit) {
  return std::round(value * steps_per_unit) / steps_per_unit;
}

double Toward(double value, double target, double step) {
  return value + std::clamp(target - value, -step, step);
}

// Where a leg begins, and how it lies.
struct Leg {
  Plane plane;
  double length_m;
  Plane::Point ahead;  // of length 1
};

Leg LegOf(const Plan& plan, int32_t index) {
  const auto at = static_cast<size_t>(index);
  const Plane plane(plan.stops[at]);
  const Plane::Point end = plane.To(plan.stops[at + 1]);
  const double length_m = std::hypot(end.x, end.y);
  return {plane, length_m, {end.x / length_m, end.y / length_m}};
}

bool IsEngineOn(const State& s) { return s.mode != Mode::kResting && s.mode != Mode::kAtStop; }

int64_t After(DeviceContext& context, double seconds) {
  return context.now_ms() + static_cast<int64_t>(seconds * 1'000);
}

void ScheduleFault(State& s, DeviceContext& context) {
  s.fault_at_ms = After(context, -std::log(1 - context.uniform()) * kFaultEveryS);
}

void EndFault(State& s, DeviceContext& context) {
  if (s.fault == Fault::kNone) return;
  context.truth(kFaults[static_cast<size_t>(s.fault)], false);
  if (s.mode == Mode::kStalled) s.mode = Mode::kDriving;
  s.fault = Fault::kNone;
  s.is_news = true;
  ScheduleFault(s, context);
}

// Faults begin on the road only: at rest there is nothing to break.
void ChangeFault(State& s, DeviceContext& context) {
  if (context.now_ms() < s.fault_at_ms) return;
  if (s.fault != Fault::kNone) {
    // A truck that has left its route has to drive back first.
    if (s.fault == Fault::kOffRoute && s.beside_m > 0) return;
    EndFault(s, context);
    return;
  }
  if (s.mode != Mode::kDriving) return;
  s.fault = static_cast<Fault>(1 + context.random() % 5);
  if (s.fault == Fault::kStall) s.mode = Mode::kStalled;
  s.fault_at_ms = After(context, context.uniform(600, 1'200));
  s.is_news = true;
  context.truth(kFaults[static_cast<size_t>(s.fault)], true);
}

void EndRest(State& s, DeviceContext& context) {
  if (context.now_ms() < s.mode_until_ms) return;
  if (s.rest_s >= kRestMinS) s.tacho_s = 0;
  if (s.mode == Mode::kAtStop && s.fuel_fraction < 0.4) s.fuel_fraction = 1;
  s.mode = Mode::kDriving;
  s.is_news = true;
}

void Park(State& s, Mode mode, DeviceContext& context) {
  s.mode = mode;
  s.speed_kmh = 0;
  s.mode_until_ms = After(context, s.rest_s);
  s.is_news = true;
  if (s.fault == Fault::kOverheat) EndFault(s, context);  // an engine that is off cools down
}

// Along the leg to its end; there the truck stops as planned and then takes the next one.
void Drive(State& s, const Plan& plan, double seconds, DeviceContext& context) {
  if (!IsEngineOn(s)) return EndRest(s, context);
  const Leg leg = LegOf(plan, s.leg);
  const double left_m = std::max(0.0, s.direction > 0 ? leg.length_m - s.along_m : s.along_m);
  double target_kmh = 0;
  if (s.mode == Mode::kDriving) {
    // As fast as a braking of 1.5 m/s2 up to the stop allows.
    target_kmh = std::min(s.cruise_kmh, 3.6 * std::sqrt(3 * left_m) + 4);
  }
  s.speed_kmh = Toward(s.speed_kmh, target_kmh, 8 * seconds);
  if (s.mode == Mode::kBraking && s.speed_kmh <= 0) Park(s, Mode::kResting, context);
  const double moved_m = s.speed_kmh / 3.6 * seconds;
  s.tacho_s += s.speed_kmh > 0 ? seconds : 0;
  s.odometer_km += moved_m / 1'000;
  if (s.fault == Fault::kOffRoute && context.now_ms() < s.fault_at_ms) {
    s.beside_m += moved_m;  // straight away from the route
    return;
  }
  if (s.beside_m > 0) {
    s.beside_m = std::max(0.0, s.beside_m - moved_m);
    return;
  }
  s.along_m += s.direction * std::min(moved_m, left_m);
  if (s.mode != Mode::kDriving || moved_m < left_m) return;
  s.rest_s = context.uniform(1'200, 3'600);
  Park(s, Mode::kAtStop, context);
  s.leg += s.direction;
  if (s.leg < 0 || s.leg + 2 > static_cast<int32_t>(plan.stops.size())) {
    s.leg -= s.direction;
    s.direction = -s.direction;
  } else {
    s.along_m = s.direction > 0 ? 0 : LegOf(plan, s.leg).length_m;
  }
}

void Heat(State& s, const Plan& plan, double seconds, DeviceContext& context) {
  const bool is_worn = s.odometer_km > plan.service_due_km - 500;
  const bool is_hot = s.fault == Fault::kOverheat;
  const double running_c = is_hot ? 120 : is_worn ? 105 : 88;
  const double noise = context.uniform(-0.2, 0.2);
  s.coolant_c = IsEngineOn(s) ? Toward(s.coolant_c, running_c + noise, (is_hot ? 2 : 0.5) * seconds)
                              : Toward(s.coolant_c, 25, 0.05 * seconds);
  s.oil_c = Toward(s.oil_c, s.coolant_c + 12, 0.5 * seconds);
  s.oil_kpa = IsEngineOn(s) ? 350 - 2 * (s.coolant_c - 88) + context.uniform(-3, 3) : 0;
  const double middle_c = (plan.cargo_min_c + plan.cargo_max_c) / 2;
  const bool is_open = s.fault == Fault::kCargo;
  s.cargo_c = Toward(s.cargo_c, is_open ? plan.cargo_max_c + 8 : middle_c + 2 * noise,
                     (is_open ? 0.8 : 0.2) * seconds);
  const double litres_per_h = IsEngineOn(s) ? 3 + s.speed_kmh / 3 : 0;
  s.fuel_fraction = std::max(0.02, s.fuel_fraction - litres_per_h * seconds / 3'600 / 600);
}

void Publish(State& s, const Plan& plan, DeviceContext& context) {
  const Leg leg = LegOf(plan, s.leg);
  const Plane::Point ahead = leg.ahead;
  const Position here = leg.plane.From(
      {ahead.x * s.along_m + ahead.y * s.beside_m, ahead.y * s.along_m - ahead.x * s.beside_m});
  const double heading = std::atan2(s.direction * ahead.x, s.direction * ahead.y) * 57.29578;
  gemel::Json json;
  json.Add("seq", s.seq).Add("time_ms", context.now_ms());
  json.Add("latitude_deg", Round(here.latitude_deg, 1e6));
  json.Add("longitude_deg", Round(here.longitude_deg, 1e6));
  json.Add("speed_kmh", Round(s.speed_kmh, 10)).Add("engine_on", IsEngineOn(s));
  json.Add("coolant_temp_c", Round(s.coolant_c, 10)).Add("oil_temp_c", Round(s.oil_c, 10));
  json.Add("oil_pressure_kpa", Round(s.oil_kpa, 1)).Add("cargo_temp_c", Round(s.cargo_c, 10));
  json.Add("tacho_s", std::floor(s.tacho_s));
  if (s.is_news || s.seq % kFullEvery == 0) {
    const double hill = s.along_m / 3'000;
    const int64_t code = s.fault == Fault::kEngineCode ? kNewCode : plan.known_fault_code;
    json.Add("heading_deg", Round(heading < 0 ? heading + 360 : heading, 1));
    json.Add("elevation_m", Round(500 + 60 * std::sin(hill), 1));
    json.Add("grade_pct", Round(2 * std::cos(hill), 10));
    json.Add("fuel_rate", Round(IsEngineOn(s) ? 3 + s.speed_kmh / 3 : 0, 10));
    json.Add("fuel_fraction", Round(s.fuel_fraction, 1'000)).Add("load_kg", Round(s.load_kg, 1));
    json.Add("odometer_km", Round(s.odometer_km, 10)).Add("fault_code", code);
    json.Add("hazard_on", s.mode == Mode::kStalled);
    json.Add("status_code", static_cast<int64_t>(s.mode));
    json.Add("fleet", plan.fleet).Add("driver", plan.driver);
  }
  s.is_news = false;
  ++s.seq;
  context.publish(json);
}

}  // namespace

Plan PlanOf(std::string_view id) {
  Dice dice(id);
  const Hub& hub = dice.Pick(kHubs);
  Plan plan{.region = hub.region, .fleet = dice.Pick(kFleets), .driver = dice.Pick(kDrivers)};
  plan.cargo_min_c = dice.Uniform(0, 1) < 0.3 ? -24 : 2;
  plan.cargo_max_c = plan.cargo_min_c + 6;
  plan.odometer_km = Round(dice.Uniform(20'000, 600'000), 1);
  // One truck in twenty is near its service and shows it.
  const bool is_worn = dice.Uniform(0, 1) < 0.05;
  plan.service_due_km = plan.odometer_km + Round(is_worn ? 200 : dice.Uniform(3'000, 60'000), 1);
  plan.known_fault_code = dice.Uniform(0, 1) < 0.02 ? 110 : 0;
  plan.stops[0] = hub.position;
  double heading = dice.Uniform(0, 6.28);
  for (size_t i = 1; i < plan.stops.size(); ++i) {
    heading += dice.Uniform(-0.6, 0.6);
    const double length_m = dice.Uniform(60'000, 150'000);
    const Position stop =
        Plane(plan.stops[i - 1]).From({length_m * std::sin(heading), length_m * std::cos(heading)});
    plan.stops[i] = {Round(stop.latitude_deg, 1e5), Round(stop.longitude_deg, 1e5)};
  }
  return plan;
}

std::string ProfileCsv(int count) {
  std::string csv = "id,planned_driver,cargo_min_c,cargo_max_c,service_due_km,known_fault_code";
  for (int i = 1; i <= 4; ++i) {
    const std::string stop = ",stop" + std::to_string(i);
    csv.append(stop).append("_latitude_deg").append(stop).append("_longitude_deg");
  }
  csv += '\n';
  const auto add = [&csv](double value) {
    char text[32];
    csv += ',';
    csv.append(text, std::to_chars(text, text + sizeof text, value).ptr);
  };
  for (int i = 1; i <= count; ++i) {
    const std::string id = "truck-" + std::to_string(i);
    const Plan plan = PlanOf(id);
    csv.append(id).append(",").append(plan.driver);
    add(plan.cargo_min_c);
    add(plan.cargo_max_c);
    add(plan.service_due_km);
    csv += ',';
    if (plan.known_fault_code != 0) csv += std::to_string(plan.known_fault_code);
    for (const Position& stop : plan.stops) {
      add(stop.latitude_deg);
      add(stop.longitude_deg);
    }
    csv += '\n';
  }
  return csv;
}

void TruckDevice::on_start(State& s, DeviceContext& context) {
  const Plan plan = PlanOf(context.id());
  context.set_topic("region", plan.region);
  s.seq = context.now_ms();  // higher than any of an earlier run, which the gateway may remember
  s.last_ms = context.now_ms();
  s.leg = static_cast<int32_t>(context.uniform(0, 3));
  s.along_m = context.uniform(0.1, 0.9) * LegOf(plan, s.leg).length_m;
  s.cruise_kmh = s.speed_kmh = context.uniform(75, 90);
  s.coolant_c = plan.odometer_km > plan.service_due_km - 500 ? 105 : 88;
  s.cargo_c = (plan.cargo_min_c + plan.cargo_max_c) / 2;
  s.odometer_km = plan.odometer_km;
  s.load_kg = context.uniform(2'000, 22'000);
  s.fuel_fraction = context.uniform(0.2, 1);
  // A few drivers are about to be too long at the wheel, and a few trucks to break, so that half a
  // minute of a fleet already has something to show.
  s.tacho_s = context.chance(0.02) ? kDriveLimitS - context.uniform(3, 20)
                                   : context.uniform(0, kDriveLimitS - 300);
  ScheduleFault(s, context);
  if (context.chance(0.04)) s.fault_at_ms = After(context, context.uniform(1, 15));
  context.tick_in(gemel::FromSeconds(context.uniform(0, 1)));
}

void TruckDevice::on_tick(State& s, DeviceContext& context) {
  const Plan plan = PlanOf(context.id());
  const double seconds = static_cast<double>(context.now_ms() - s.last_ms) / 1'000;
  s.last_ms = context.now_ms();
  ChangeFault(s, context);
  Drive(s, plan, seconds, context);
  Heat(s, plan, seconds, context);
  const bool is_over = s.tacho_s >= kDriveLimitS && IsEngineOn(s);
  if (is_over != s.is_over_hours) context.truth("hours_exceeded", is_over);
  s.is_over_hours = is_over;
  Publish(s, plan, context);
  context.tick_in(std::chrono::seconds(1));
}

void TruckDevice::on_command(State& s, const gemel::Command& command, DeviceContext& context) {
  if (command.name() == "rest" && s.mode == Mode::kDriving) {
    s.rest_s = command.number("minutes", kRestMinS / 60) * 60;
    s.mode = Mode::kBraking;
  } else if (command.name() == "return_to_route" && s.fault == Fault::kOffRoute) {
    s.fault_at_ms = context.now_ms();  // turns round; the fault ends where the route begins
  }
}

}  // namespace truck
