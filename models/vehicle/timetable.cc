#include "models/vehicle/timetable.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <unordered_map>

namespace vehicle {

namespace {

// Numbers of texts in the order of their first appearance. Keys are views into the table.
using Numbers = std::unordered_map<std::string_view, uint32_t>;

[[noreturn]] void FailRow(std::string_view table, size_t row, std::string_view column,
                          std::string_view value, std::string_view wanted) {
  std::string why = "table ";
  why.append(table).append(", row ").append(std::to_string(row + 1)).append(": ");
  why.append(column).append(" is \"").append(value).append("\", must be ").append(wanted);
  throw std::invalid_argument(why);
}

double Degrees(const gemel::Table& table, size_t row, size_t column, std::string_view name,
               double limit) {
  const std::string_view text = table.cell(row, column);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !(value >= -limit && value <= limit)) {
    FailRow("stops", row, name, text, "degrees");
  }
  return value;
}

}  // namespace

Timetable::Timetable(const gemel::Table& calls, const gemel::Table& stops) {
  const size_t stop_id = stops.column("stop_id");
  const size_t stop_lat = stops.column("stop_lat");
  const size_t stop_lon = stops.column("stop_lon");
  Numbers stop_numbers;
  for (size_t row = 0; row < stops.rows(); ++row) {
    stop_numbers.try_emplace(stops.cell(row, stop_id), static_cast<uint32_t>(row));
    stops_.push_back({std::string(stops.cell(row, stop_id)),
                      {Degrees(stops, row, stop_lat, "stop_lat", 90),
                       Degrees(stops, row, stop_lon, "stop_lon", 180)}});
  }

  const size_t trip_id = calls.column("trip_id");
  const size_t arrival_time = calls.column("arrival_time");
  const size_t called_stop = calls.column("stop_id");
  Numbers trip_numbers;
  std::vector<std::pair<uint32_t, Visit>> visits;  // with the number of the trip
  visits.reserve(calls.rows());
  for (size_t row = 0; row < calls.rows(); ++row) {
    const auto stop = stop_numbers.find(calls.cell(row, called_stop));
    if (stop == stop_numbers.end()) continue;
    const std::string_view time = calls.cell(row, arrival_time);
    const std::optional<int32_t> planned_s = ParseTimeOfDay(time);
    if (!planned_s) FailRow("timetable", row, "arrival_time", time, "a time as 17:05:00");
    const std::string_view trip = calls.cell(row, trip_id);
    const auto number = static_cast<uint32_t>(trips_.size());
    const auto [known, is_new] = trip_numbers.try_emplace(trip, number);
    if (is_new) trips_.push_back({std::string(trip), 0, 0});
    visits.push_back({known->second, {stop->second, *planned_s}});
  }

  std::ranges::stable_sort(visits, {}, &std::pair<uint32_t, Visit>::first);
  visits_.reserve(visits.size());
  for (const auto& [trip, visit] : visits) {
    if (trips_[trip].count++ == 0) trips_[trip].first = static_cast<uint32_t>(visits_.size());
    visits_.push_back(visit);
  }
  std::ranges::sort(trips_, {}, &Trip::id);
}

std::optional<Timetable::Call> Timetable::Find(std::string_view trip, gemel::Position here,
                                               double radius_m, int64_t second_of_day) const {
  const auto found = std::ranges::lower_bound(
      trips_, trip, {}, [](const Trip& known) { return std::string_view(known.id); });
  if (found == trips_.end() || found->id != trip) return std::nullopt;
  const gemel::Plane plane(here);
  const Visit* best = nullptr;
  double best_m = std::numeric_limits<double>::infinity();
  int64_t best_delay_s = 0;
  for (uint32_t i = found->first; i < found->first + found->count; ++i) {
    const double distance_m = plane.DistanceM(stops_[visits_[i].stop].position);
    if (!(distance_m <= radius_m) || distance_m > best_m) continue;
    const int64_t delay_s = DelayS(second_of_day, visits_[i].planned_s);
    // A loop calls twice at its first stop.
    const bool is_same_place = distance_m == best_m;
    if (is_same_place && std::abs(delay_s) >= std::abs(best_delay_s)) continue;
    best = &visits_[i];
    best_m = distance_m;
    best_delay_s = delay_s;
  }
  if (best == nullptr) return std::nullopt;
  return Call{stops_[best->stop].id, best_m, best_delay_s};
}

}  // namespace vehicle
