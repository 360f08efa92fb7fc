#include "models/vehicle/vehicle_device.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace vehicle {

namespace {

using gemel::DeviceContext;
using gemel::Plane;
using Mode = BusDevice::Mode;
using Fault = BusDevice::Fault;
using State = BusDevice::State;

constexpr gemel::Position kTown{30.2672, -97.7431};
constexpr int32_t kLines = 12;
constexpr double kStopEveryM = 400;
constexpr double kFaultEveryS = 12 * 3'600;
constexpr double kRaceMps = 34;
constexpr const char* kFaults[] = {"", "stalled", "speeding", "gps_jump"};

int64_t After(DeviceContext& context, double seconds) {
  return context.now_ms() + static_cast<int64_t>(seconds * 1'000);
}

double Toward(double value, double target, double step) {
  return value + std::clamp(target - value, -step, step);
}

double LengthM(const State& s) { return 2 * std::numbers::pi * s.radius_m; }

void ChangeFault(State& s, DeviceContext& context) {
  if (context.now_ms() < s.fault_at_ms) return;
  if (s.fault == Fault::kNone) {
    if (s.mode != Mode::kDriving) return;
    s.fault = static_cast<Fault>(1 + context.random() % 3);
    s.limit_mps = 0;
    // A jump is one position; the others last.
    s.fault_at_ms = s.fault == Fault::kJump ? After(context, 1) : After(context, 900);
    context.truth(kFaults[static_cast<size_t>(s.fault)], true);
  } else {
    context.truth(kFaults[static_cast<size_t>(s.fault)], false);
    s.fault = Fault::kNone;
    s.fault_at_ms = After(context, -std::log(1 - context.uniform()) * kFaultEveryS);
  }
}

void Drive(State& s, double seconds, DeviceContext& context) {
  if (s.mode == Mode::kAtStop) {
    s.speed_mps = 0;
    if (context.now_ms() < s.mode_until_ms) return;
    s.mode = Mode::kDriving;
  }
  double target_mps = 11;
  if (s.fault == Fault::kStall) target_mps = 0;
  if (s.fault == Fault::kSpeeding) target_mps = kRaceMps;
  if (s.limit_mps > 0) target_mps = std::min(target_mps, s.limit_mps);
  s.speed_mps = Toward(s.speed_mps, target_mps, 3 * seconds);
  const double before_m = s.along_m;
  s.along_m += s.speed_mps * seconds;
  const double stop = std::floor(s.along_m / kStopEveryM);
  // Who races doesn't stop either.
  if (stop > std::floor(before_m / kStopEveryM) && s.fault != Fault::kSpeeding) {
    s.along_m = stop * kStopEveryM;
    s.speed_mps = 0;
    s.mode = Mode::kAtStop;
    s.mode_until_ms = After(context, context.uniform(15, 40));
  }
  if (s.along_m < LengthM(s)) return;
  s.along_m -= LengthM(s);
  ++s.trip;
}

void Publish(State& s, DeviceContext& context) {
  const double angle = s.along_m / s.radius_m;
  Plane::Point point{s.radius_m * std::sin(angle), s.radius_m * std::cos(angle)};
  if (s.fault == Fault::kJump) point.x += 20'000;
  const gemel::Position here = Plane(s.centre).From(point);
  gemel::Json json;
  json.Add("seq", s.seq++).Add("time_ms", context.now_ms());
  json.Add("speed_mps", std::round(s.speed_mps * 10) / 10);
  json.Add("trip_id", "T" + std::to_string(s.line) + "-" + std::to_string(s.trip));
  json.Add("latitude_deg", std::round(here.latitude_deg * 1e6) / 1e6);
  json.Add("longitude_deg", std::round(here.longitude_deg * 1e6) / 1e6);
  json.Add("headsign", std::to_string(s.line) + "-Ring");
  context.publish(json);
}

}  // namespace

void BusDevice::on_start(State& s, DeviceContext& context) {
  s.line = 1 + static_cast<int32_t>(context.random() % kLines);
  const double turn = 2 * std::numbers::pi * s.line / kLines;
  s.centre = Plane(kTown).From({5'000 * std::sin(turn), 5'000 * std::cos(turn)});
  s.radius_m = 1'500 + 200 * s.line;
  s.along_m = context.uniform() * LengthM(s);
  s.trip = static_cast<int64_t>(context.random() % 40);
  s.seq = context.now_ms();  // higher than any of an earlier run, which the gateway may remember
  s.last_ms = context.now_ms();
  context.set_topic("route_id", std::to_string(s.line));
  const double fault_s = context.chance(0.06) ? context.uniform(1, 15)
                                              : -std::log(1 - context.uniform()) * kFaultEveryS;
  s.fault_at_ms = After(context, fault_s);
  context.tick_in(gemel::FromSeconds(context.uniform(0, 1)));
}

void BusDevice::on_tick(State& s, DeviceContext& context) {
  const double seconds = static_cast<double>(context.now_ms() - s.last_ms) / 1'000;
  s.last_ms = context.now_ms();
  ChangeFault(s, context);
  Drive(s, seconds, context);
  Publish(s, context);
  context.tick_in(std::chrono::seconds(1));
}

void BusDevice::on_command(State& s, const gemel::Command& command, DeviceContext& context) {
  if (command.name() != "slow_down") return;
  s.limit_mps = command.number("limit_mps", 13);
  if (s.fault == Fault::kSpeeding) s.fault_at_ms = context.now_ms();  // the driver has understood
}

}  // namespace vehicle
