#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "gateway/sdk/geo.hpp"
#include "gateway/sdk/types.hpp"

// What a truck's numbers mean: pure functions, so that each rule can be read and tested alone.
// NaN stands for a signal that the truck does not send; no rule finds fault with it.
namespace truck {

using gemel::Duration;
using gemel::Plane;
using gemel::Position;

enum class Phase : uint8_t { kUnknown, kDriving, kStopped, kAtStop, kResting, kStalled };
inline constexpr const char* kPhases[] = {"unknown", "driving", "stopped",
                                          "at_stop", "resting", "stalled"};

// How one signal of the truck is to be taken. Ordered: the higher, the worse.
enum class Reading : uint8_t { kNormal, kExpected, kFault, kDanger };
inline constexpr const char* kReadings[] = {"normal", "expected", "fault", "danger"};

struct Motion {
  double speed_kmh = gemel::kNoNumber;
  bool is_engine_known = false;
  bool is_engine_on = false;
  bool is_hazard_on = false;  // warning lights
  bool is_near_stop = false;  // a planned one
  Duration stopped_for{0};
};

struct MotionLimits {
  double moving_kmh = 3;
  Duration stall_after = std::chrono::minutes(5);
  Duration rest_after = std::chrono::minutes(20);
};

// A rest is a stop with the engine off, or where a stop was planned. A stall is a stop on the road
// with the engine running or the warning lights on that lasts. Where the truck says nothing of its
// engine, a long stop counts as a rest: calling it a stall would be a guess.
inline Phase PhaseOf(const Motion& motion, const MotionLimits& limits) {
  if (std::isnan(motion.speed_kmh)) return Phase::kUnknown;
  if (motion.speed_kmh >= limits.moving_kmh) return Phase::kDriving;
  const bool is_broken = motion.is_hazard_on && motion.stopped_for >= limits.stall_after;
  if (is_broken) return Phase::kStalled;
  if (motion.is_near_stop) return Phase::kAtStop;
  if (motion.is_engine_known && !motion.is_engine_on && !motion.is_hazard_on) {
    return Phase::kResting;
  }
  if (motion.is_engine_on && motion.stopped_for >= limits.stall_after) return Phase::kStalled;
  if (!motion.is_engine_known && motion.stopped_for >= limits.rest_after) return Phase::kResting;
  return Phase::kStopped;
}

inline bool IsRest(Phase phase) { return phase == Phase::kResting || phase == Phase::kAtStop; }

// From which value a signal is a fault, and from which it is a danger whatever explains it.
struct Band {
  double fault;
  double danger;
  double slack;  // how far it must fall back before it counts as normal again
};

// `is_explained`: a value like this is to be expected now (worn before its service). `before` is
// the last answer; it keeps a value on the edge from flickering.
inline Reading Grade(double value, const Band& band, bool is_explained, Reading before) {
  const double danger = before == Reading::kDanger ? band.danger - band.slack : band.danger;
  const double fault = before != Reading::kNormal ? band.fault - band.slack : band.fault;
  if (value >= danger) return Reading::kDanger;
  if (value >= fault) return is_explained ? Reading::kExpected : Reading::kFault;
  return Reading::kNormal;
}

// A code of the engine's own diagnosis: 0 or null for none. The workshop knows of one already.
inline Reading GradeFaultCode(int64_t code, int64_t known_code) {
  if (code == 0 || code == gemel::kNoInteger) return Reading::kNormal;
  return code == known_code ? Reading::kExpected : Reading::kFault;
}

struct OffRoute {
  double distance_m = gemel::kNoNumber;  // NaN: no route is planned
  Plane::Point nearest;                  // of the route, seen from the truck
};

// Distance to the line through the planned stops. Stops that are null are skipped.
inline OffRoute DistanceToRoute(const Plane& here, std::span<const Position> stops) {
  OffRoute best;
  const Position* last = nullptr;
  Plane::Point a;
  for (const Position& stop : stops) {
    if (!stop.has_value()) continue;
    const Plane::Point b = here.To(stop);
    if (last != nullptr) {
      const Plane::Point nearest = Plane::Nearest(a, b);
      const double distance2 = nearest.x * nearest.x + nearest.y * nearest.y;
      if (!(distance2 >= best.distance_m)) best = {distance2, nearest};
    }
    last = &stop;
    a = b;
  }
  best.distance_m = std::sqrt(best.distance_m);
  return best;
}

inline bool IsNearAny(const Plane& here, std::span<const Position> stops, double radius_m) {
  for (const Position& stop : stops) {
    if (here.DistanceM(stop) <= radius_m) return true;
  }
  return false;
}

}  // namespace truck
