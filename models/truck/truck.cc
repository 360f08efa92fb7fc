#include "models/truck/truck.h"

#include <array>

namespace truck {

namespace {

using gemel::Context;
using gemel::Follow;
using gemel::FromSeconds;
using gemel::ToSeconds;

// The same for a graded signal, whose alert becomes critical with it. True if that has just
// happened.
bool FollowGrade(Context& context, Reading& shown, Reading now, const gemel::Alarm& alarm,
                 gemel::Arguments about) {
  if (now == shown) return false;
  const bool was_fault = shown >= Reading::kFault;
  shown = now;
  if (now >= Reading::kFault) {
    const bool is_danger = now == Reading::kDanger;
    context.raise(is_danger ? Severity::kCritical : alarm.severity, alarm.code, alarm.message,
                  about);
    return is_danger;
  }
  if (was_fault) context.clear(alarm.code);
  return false;
}

std::array<Position, 4> StopsOf(const State& s) {
  return {{{s.stop1_latitude_deg, s.stop1_longitude_deg},
           {s.stop2_latitude_deg, s.stop2_longitude_deg},
           {s.stop3_latitude_deg, s.stop3_longitude_deg},
           {s.stop4_latitude_deg, s.stop4_longitude_deg}}};
}

}  // namespace

Truck::Truck(const gemel::Setup& setup)
    : motion_{setup.number("moving_kmh", 3), FromSeconds(setup.number("stall_after_s", 300)),
              FromSeconds(setup.number("rest_after_s", 1'200))},
      coolant_{setup.number("coolant_warm_c", 102), setup.number("overheat_c", 110), 3},
      oil_temp_{setup.number("oil_warm_c", 125), setup.number("oil_hot_c", 140), 3},
      // Negative, because here it is the low value that is bad.
      oil_pressure_{-setup.number("oil_low_kpa", 180), -setup.number("oil_min_kpa", 100), 15},
      gap_max_(FromSeconds(setup.number("gap_max_s", 600))),
      rest_min_(FromSeconds(setup.number("rest_min_s", 2'700))),
      remind_every_(FromSeconds(setup.number("remind_every_s", 900))),
      off_route_after_(FromSeconds(setup.number("off_route_after_s", 10))),
      cargo_after_(FromSeconds(setup.number("cargo_after_s", 60))),
      drive_limit_s_(setup.number("drive_limit_s", 16'200)),
      corridor_m_(setup.number("corridor_m", 2'000)),
      stop_radius_m_(setup.number("stop_radius_m", 300)),
      service_margin_km_(setup.number("service_margin_km", 1'000)),
      fuel_low_(setup.number("fuel_low_fraction", 0.1)) {}

void Truck::on_telemetry(State& s, const gemel::Message& message, Context& context) const {
  const Time now = message.time();
  // Two routes may feed one truck, so a message can be late for the twin and not for its route.
  if (message.is_late() || now < s.judged_at) return;
  s.judged_at = now;
  if (s.speed_kmh.at() == now) {
    JudgeMotion(s, now, context);
    JudgeHours(s, now, context);
  }
  // A position whose halves were reported at different times is none.
  if (s.latitude_deg.at() == now && s.longitude_deg.at() == now) JudgeRoute(s, now, context);
  JudgeEngine(s, context);
  JudgeLoad(s, now, context);
}

void Truck::JudgeMotion(State& s, Time now, Context& context) const {
  const Phase before = s.phase;
  if (before == Phase::kDriving && now - s.moved_at <= gap_max_) {
    s.driven_s += ToSeconds(now - s.moved_at);
  }
  s.moved_at = now;
  if (s.rest_since != kNoTime && now - s.rest_since >= rest_min_) s.driven_s = 0;

  Motion motion{.speed_kmh = s.speed_kmh.value(),
                .is_engine_known = s.engine_on.has_value(),
                .is_engine_on = s.engine_on.value(),
                .is_hazard_on = s.hazard_on.value()};
  if (motion.speed_kmh >= motion_.moving_kmh) {
    s.stopped_since = kNoTime;
  } else {
    if (s.stopped_since == kNoTime) s.stopped_since = now;
    motion.stopped_for = now - s.stopped_since;
    const Plane here({s.latitude_deg.value(), s.longitude_deg.value()});
    motion.is_near_stop = s.latitude_deg.has_value() && s.longitude_deg.has_value() &&
                          IsNearAny(here, StopsOf(s), stop_radius_m_);
  }
  s.phase = PhaseOf(motion, motion_);
  s.rest_since = IsRest(s.phase) ? s.stopped_since : kNoTime;
  Follow(context, s.is_stalled, s.phase == Phase::kStalled, kStalled,
         {{"stopped_s", ToSeconds(motion.stopped_for)}});
}

void Truck::JudgeHours(State& s, Time now, Context& context) const {
  // The tachograph also knows the hours before the twin first heard of the truck.
  if (s.tacho_s.at() == now) s.driven_s = s.tacho_s.value();
  const bool is_over = s.driven_s >= drive_limit_s_ && !IsRest(s.phase);
  const bool is_new = Follow(context, s.is_over_hours, is_over, kHours,
                             {{"driven_s", s.driven_s}, {"limit_s", drive_limit_s_}});
  if (!is_over || (!is_new && now - s.reminded_at < remind_every_)) return;
  s.reminded_at = now;
  context.reply("rest", {{"reason", "hours"}, {"minutes", ToSeconds(rest_min_) / 60}},
                remind_every_);
}

void Truck::JudgeRoute(State& s, Time now, Context& context) const {
  const Plane here({s.latitude_deg.value(), s.longitude_deg.value()});
  const OffRoute off = DistanceToRoute(here, StopsOf(s));
  s.off_route_m = off.distance_m;
  const bool is_off = off.distance_m > (s.is_off_route ? 0.8 * corridor_m_ : corridor_m_);
  if (!is_off) {
    s.off_route_since = kNoTime;
  } else if (s.off_route_since == kNoTime) {
    s.off_route_since = now;
  }
  // One bad position is not a detour: it must stay away for a while.
  const bool is_lasting = is_off && now - s.off_route_since >= off_route_after_;
  if (!Follow(context, s.is_off_route, is_lasting, kOffRoute, {{"off_route_m", off.distance_m}})) {
    return;
  }
  const Position back = here.From(off.nearest);
  context.reply("return_to_route",
                {{"latitude_deg", back.latitude_deg}, {"longitude_deg", back.longitude_deg}},
                remind_every_);
}

void Truck::JudgeEngine(State& s, Context& context) const {
  // NaN compares false, so an unknown odometer or due date explains nothing.
  const bool is_worn = s.odometer_km.value_or(kNoNumber) >= s.service_due_km - service_margin_km_;
  const double coolant_c = s.coolant_temp_c.value_or(kNoNumber);
  const double oil_c = s.oil_temp_c.value_or(kNoNumber);
  const double oil_kpa = s.engine_on.value() ? s.oil_pressure_kpa.value_or(kNoNumber) : kNoNumber;
  if (FollowGrade(context, s.coolant, Grade(coolant_c, coolant_, is_worn, s.coolant), kCoolant,
                  {{"coolant_temp_c", coolant_c}})) {
    context.reply("rest", {{"reason", "engine"}, {"minutes", 30}}, remind_every_);
  }
  FollowGrade(context, s.oil_temp, Grade(oil_c, oil_temp_, is_worn, s.oil_temp), kOilTemp,
              {{"oil_temp_c", oil_c}});
  FollowGrade(context, s.oil_pressure, Grade(-oil_kpa, oil_pressure_, is_worn, s.oil_pressure),
              kOilPressure, {{"oil_pressure_kpa", oil_kpa}});
  FollowGrade(context, s.fault, GradeFaultCode(s.fault_code.value(), s.known_fault_code), kFault,
              {{"fault_code", s.fault_code.value()}});
  const bool is_expected = s.coolant == Reading::kExpected || s.oil_temp == Reading::kExpected ||
                           s.oil_pressure == Reading::kExpected || s.fault == Reading::kExpected;
  Follow(context, s.is_expected, is_expected, kExpected, {{"service_due_km", s.service_due_km}});
}

void Truck::JudgeLoad(State& s, Time now, Context& context) const {
  if (s.cargo_temp_c.at() == now) {
    const double cargo_c = s.cargo_temp_c.value();
    const bool is_out = cargo_c < s.cargo_min_c || cargo_c > s.cargo_max_c;
    if (!is_out) {
      s.cargo_out_since = kNoTime;
    } else if (s.cargo_out_since == kNoTime) {
      s.cargo_out_since = now;
    }
    // An opened door is not a spoilt load.
    Follow(context, s.is_cargo_out, is_out && now - s.cargo_out_since >= cargo_after_, kCargo,
           {{"cargo_temp_c", cargo_c}, {"min_c", s.cargo_min_c}, {"max_c", s.cargo_max_c}});
  }
  const double fuel = s.fuel_fraction.value_or(kNoNumber);
  Follow(context, s.is_fuel_low, fuel < (s.is_fuel_low ? fuel_low_ + 0.05 : fuel_low_), kFuel,
         {{"fuel_fraction", fuel}});
  const bool is_other =
      s.planned_driver.has_value() && s.driver.has_value() && s.driver.value() != s.planned_driver;
  Follow(context, s.is_other_driver, is_other, kDriver, {});
}

}  // namespace truck

GEMEL_EXPORT_MODEL(truck::Truck)
