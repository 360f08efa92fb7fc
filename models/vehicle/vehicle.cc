#include "models/vehicle/vehicle.h"

#include <algorithm>
#include <stdexcept>

namespace vehicle {

namespace {

using gemel::Alarm;
using gemel::Context;
using gemel::Follow;
using gemel::FromSeconds;
using gemel::Position;
using gemel::Severity;
using gemel::ToSeconds;

constexpr double kStillMps = 0.5;  // positions wander a little while a bus stands
constexpr Alarm kStalled{Severity::kMajor, "stalled", "Stands on the road, away from its stops"};
constexpr Alarm kSpeeding{Severity::kWarning, "speeding", "Faster than its limit"};
constexpr Alarm kLate{Severity::kMinor, "late", "Late at a planned stop"};

std::optional<Timetable> TimetableOf(const gemel::Setup& setup) {
  const std::optional<gemel::Table> calls = setup.table("timetable");
  const std::optional<gemel::Table> stops = setup.table("stops");
  if (calls.has_value() != stops.has_value()) {
    throw std::invalid_argument("tables timetable and stops go together: give both or neither");
  }
  if (!calls) return std::nullopt;
  return Timetable(*calls, *stops);
}

int64_t Milliseconds(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

}  // namespace

const gemel::Fields<State>& Vehicle::fields() {
  using gemel::computed;
  using gemel::telemetry;
  using S = State;
  static const gemel::Fields<State> kFields = {
      telemetry(&S::latitude_deg, "latitude_deg", "deg", "Latitude as reported, WGS 84."),
      telemetry(&S::longitude_deg, "longitude_deg", "deg", "Longitude as reported, WGS 84."),
      telemetry(&S::speed_mps, "speed_mps", "m/s", "Speed over ground."),
      gemel::topic(&S::route_id, "route_id", "Line that the vehicle serves."),
      telemetry(&S::trip_id, "trip_id", "", "Trip of the timetable that it is on."),
      telemetry(&S::headsign, "headsign", "", "Destination shown to passengers."),
      computed(&S::reported_ms, "reported_ms", "ms", "Event time of the newest report."),
      computed(&S::delay_s, "delay_s", "s", "Lateness at the trip's last stop; early is negative."),
      computed(&S::accepted_latitude_deg, "accepted_latitude_deg", "deg", "Without GPS jumps."),
      computed(&S::accepted_longitude_deg, "accepted_longitude_deg", "deg", "Without GPS jumps."),
      computed(&S::stood_latitude_deg, "stood_latitude_deg", "deg",
               "Where it stands or last stood."),
      computed(&S::stood_longitude_deg, "stood_longitude_deg", "deg",
               "Where it stands or last stood."),
      computed(&S::accepted_at, "accepted_at", "", "Event time of the accepted position."),
      computed(&S::stopped_since, "stopped_since", "", "Since when it stands."),
      computed(&S::judged_trip, "judged_trip", "", "Trip that delay_s is about."),
      computed(&S::phase, "phase", kPhases, "What the vehicle is doing."),
      computed(&S::is_stalled, "is_stalled", "", "Stands on the road for too long."),
      computed(&S::is_jump, "is_jump", "", "The newest position is too far away to be true."),
      computed(&S::is_speeding, "is_speeding", "", "Faster than its limit."),
      computed(&S::is_late, "is_late", "", "Later than the alert's threshold."),
      computed(&S::planned_stop, "planned_stop", "", "Stop of the trip where it was last."),
  };
  return kFields;
}

Vehicle::Vehicle(const gemel::Setup& setup)
    : timetable_(TimetableOf(setup)),
      speed_limit_mps_(setup.number("speed_limit_mps", 31.3)),
      jump_mps_(setup.number("jump_mps", 40)),
      stop_radius_m_(setup.number("stop_radius_m", 80)),
      stand_radius_m_(setup.number("stand_radius_m", 50)),
      utc_offset_s_(60 * setup.number("utc_offset_min", 0)),
      late_after_s_(setup.number("late_after_s", 600)),
      late_until_s_(setup.number("late_until_s", late_after_s_ / 2)),
      stall_after_(FromSeconds(setup.number("stall_after_s", 600))),
      gap_max_(FromSeconds(setup.number("gap_max_s", 1'200))) {}

void Vehicle::on_telemetry(State& s, const gemel::Message& message, Context& context) const {
  const Time now = message.time();
  s.reported_ms = std::max(s.reported_ms, Milliseconds(now));
  if (message.is_late()) return;
  // Both halves of the position must be of this moment, or it is none.
  if (s.latitude_deg.at() == now && s.longitude_deg.at() == now) {
    if (!Accept(s, now)) return;
    JudgePlace(s, now, context);
  }
  if (s.speed_mps.at() == now) JudgeSpeed(s, context);
}

// False for a jump: nothing can be concluded from where the vehicle can't be.
bool Vehicle::Accept(State& s, Time now) const {
  const Position here{s.latitude_deg.value(), s.longitude_deg.value()};
  if (s.accepted_at != kNoTime) {
    // Two reports of the same second may well differ by a second's drive.
    const double seconds = std::max(1.0, ToSeconds(now - s.accepted_at));
    const Position there{s.accepted_latitude_deg, s.accepted_longitude_deg};
    s.is_jump = gemel::DistanceM(here, there) > jump_mps_ * seconds;
    if (s.is_jump) return false;
  }
  if (s.accepted_at != kNoTime && now - s.accepted_at > gap_max_) s.stopped_since = kNoTime;
  s.accepted_latitude_deg = here.latitude_deg;
  s.accepted_longitude_deg = here.longitude_deg;
  s.accepted_at = now;
  return true;
}

void Vehicle::JudgePlace(State& s, Time now, Context& context) const {
  if (s.trip_id.value() != s.judged_trip) {
    s.judged_trip = s.trip_id.value();
    s.delay_s = kNoInteger;
    s.planned_stop = {};
    Follow(context, s.is_late, false, kLate);
  }
  std::optional<Timetable::Call> call;
  if (timetable_) {
    const int64_t local_s = Milliseconds(now) / 1'000 + static_cast<int64_t>(utc_offset_s_);
    call = timetable_->Find(context.text(s.judged_trip),
                            {s.accepted_latitude_deg, s.accepted_longitude_deg}, stop_radius_m_,
                            local_s % 86'400);
  }
  if (call) {
    s.delay_s = call->delay_s;
    s.planned_stop = call->stop_id;
    const auto delay_s = static_cast<double>(s.delay_s);
    Follow(context, s.is_late, delay_s > (s.is_late ? late_until_s_ : late_after_s_), kLate,
           {{"delay_s", s.delay_s}, {"stop_id", call->stop_id}});
  }
  JudgeStand(s, now, call.has_value(), context);
}

void Vehicle::JudgeStand(State& s, Time now, bool is_at_stop, Context& context) const {
  const Position here{s.accepted_latitude_deg, s.accepted_longitude_deg};
  const Position stood{s.stood_latitude_deg, s.stood_longitude_deg};
  if (!(s.speed_mps.value_or(kNoNumber) < kStillMps)) {
    s.stopped_since = kNoTime;
    s.phase = s.speed_mps.has_value() ? Phase::kMoving : Phase::kUnknown;
  } else {
    // It may have moved on and stopped again between two reports.
    if (s.stopped_since == kNoTime || gemel::DistanceM(here, stood) > stand_radius_m_) {
      s.stopped_since = now;
      s.stood_latitude_deg = here.latitude_deg;
      s.stood_longitude_deg = here.longitude_deg;
    }
    const bool is_long = now - s.stopped_since >= stall_after_;
    s.phase = is_at_stop ? Phase::kAtStop : is_long ? Phase::kStalled : Phase::kHalted;
  }
  Follow(context, s.is_stalled, s.phase == Phase::kStalled, kStalled,
         {{"latitude_deg", here.latitude_deg}, {"longitude_deg", here.longitude_deg}});
}

void Vehicle::JudgeSpeed(State& s, Context& context) const {
  const double speed_mps = s.speed_mps.value();
  if (Follow(context, s.is_speeding, speed_mps > speed_limit_mps_, kSpeeding,
             {{"speed_mps", speed_mps}, {"limit_mps", speed_limit_mps_}})) {
    context.reply("slow_down", {{"limit_mps", speed_limit_mps_}}, std::chrono::minutes(1));
  }
}

}  // namespace vehicle

GEMEL_EXPORT_MODEL(vehicle::Vehicle)
