#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/sdk/geo.hpp"
#include "gateway/sdk/model.hpp"

namespace vehicle {

// "25:10:00" is ten past one of the next morning, as timetables write what belongs to the evening
// before. Nothing if it is no time of that form.
inline std::optional<int32_t> ParseTimeOfDay(std::string_view text) {
  int32_t parts[3] = {};
  size_t part = 0;
  size_t digits = 0;
  for (const char c : text) {
    if (c == ':') {
      if (digits == 0 || ++part == 3) return std::nullopt;
      digits = 0;
    } else if (c >= '0' && c <= '9' && ++digits <= 2) {
      parts[part] = parts[part] * 10 + (c - '0');
    } else {
      return std::nullopt;
    }
  }
  if (part != 2 || digits == 0 || parts[1] > 59 || parts[2] > 59) return std::nullopt;
  return parts[0] * 3'600 + parts[1] * 60 + parts[2];
}

// How late, in seconds; negative if early. Which day a time belongs to is not said anywhere, so the
// nearest is taken: nobody is more than half a day late.
inline int64_t DelayS(int64_t second_of_day, int64_t planned_s) {
  constexpr int64_t kDay = 86'400;
  const int64_t difference = (second_of_day - planned_s + kDay / 2) % kDay;
  return (difference < 0 ? difference + kDay : difference) - kDay / 2;
}

// When which trip is to be at which stop. Immutable after construction, so safe from any thread.
// Takes 8 bytes a row.
class Timetable {
 public:
  // `calls` has columns trip_id, arrival_time, stop_id; `stops` has stop_id, stop_lat, stop_lon.
  // Calls at stops that `stops` lacks are left out: their place is unknown.
  // Throws std::invalid_argument naming the row that can't be read.
  Timetable(const gemel::Table& calls, const gemel::Table& stops);

  struct Call {
    std::string_view stop_id;
    double distance_m;
    int64_t delay_s;
  };
  // The nearest planned stop of the trip within the radius, and of several calls there the one that
  // is nearest in time. Nothing if there is none or the trip is unknown. Does not allocate.
  std::optional<Call> Find(std::string_view trip, gemel::Position here, double radius_m,
                           int64_t second_of_day) const;

 private:
  struct Stop {
    std::string id;
    gemel::Position position;
  };
  struct Visit {
    uint32_t stop;  // into stops_
    int32_t planned_s;
  };
  struct Trip {
    std::string id;
    uint32_t first;  // into visits_
    uint32_t count;
  };

  std::vector<Stop> stops_;
  std::vector<Visit> visits_;  // grouped by trip
  std::vector<Trip> trips_;    // sorted by id
};

}  // namespace vehicle
