#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/geo.hpp"
#include "gateway/sdk/layout.hpp"
#include "gateway/sdk/types.hpp"

// Fences on the ground: areas are built once, in the model's constructor, from parameters or a
// table; a twin keeps a FenceState for each. Distances are those of geo.hpp (a plane at the
// position asked about: within 1 % up to some hundred kilometres, not across a pole); areas may
// cross the date line.
namespace gemel {

// Of a sphere of the mean radius 6,371 km, right for any two places to 0.5 % of the ellipsoid:
// Sinnott, "Virtues of the haversine" (Sky and Telescope 68, 1984). Metres. Some 50 ns.
inline double HaversineM(Position a, Position b) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double north = std::sin((b.latitude_deg - a.latitude_deg) * kRadians / 2);
  const double east = std::sin((b.longitude_deg - a.longitude_deg) * kRadians / 2);
  const double half = north * north + std::cos(a.latitude_deg * kRadians) *
                                          std::cos(b.latitude_deg * kRadians) * east * east;
  return 2 * 6'371'000.0 * std::asin(std::sqrt(std::min(half, 1.0)));
}

// Where a great circle leads that starts in this direction (degrees, 0 north, 90 east): the direct
// problem on the sphere (Bowditch; Williams, "Aviation formulary").
inline Position Along(Position from, double heading_deg, double distance_m) {
  constexpr double kRadians = std::numbers::pi / 180;
  const double angle = distance_m / 6'371'000.0;
  const double latitude = from.latitude_deg * kRadians;
  const double heading = heading_deg * kRadians;
  const double sine = std::clamp(std::sin(latitude) * std::cos(angle) +
                                     std::cos(latitude) * std::sin(angle) * std::cos(heading),
                                 -1.0, 1.0);
  const double turned = std::atan2(std::sin(heading) * std::sin(angle) * std::cos(latitude),
                                   std::cos(angle) - std::sin(latitude) * sine);
  const double longitude = from.longitude_deg + turned / kRadians;
  return {std::asin(sine) / kRadians, std::remainder(longitude, 360.0)};
}

// Dead reckoning: where a thing is after `elapsed` if it has gone on as it did. A time before the
// report (elapsed < 0) gives where it came from.
inline Position DeadReckon(Position from, double speed_mps, double heading_deg, Duration elapsed) {
  return Along(from, heading_deg, speed_mps * ToSeconds(elapsed));
}

// The first ring of a GeoJSON geometry, as a table of a GeoJSON file has it in the column
// `geometry`:
// [[[lon,lat],...]], or the points of a line, [[lon,lat],...]. Throws std::invalid_argument if
// there is none.
inline std::vector<Position> PointsOf(std::string_view geometry) {
  const auto wrong = [&](const char* why) {
    return std::invalid_argument(std::string("geometry: ") + why + ": " +
                                 std::string(geometry.substr(0, 40)));
  };
  std::vector<Position> points;
  std::vector<double> numbers;
  size_t depth = 0;
  bool is_inside = false;  // of the brackets of a point
  for (size_t i = 0; i < geometry.size(); ++i) {
    const char c = geometry[i];
    if (c == '[') {
      ++depth;
      is_inside = true;
      numbers.clear();
    } else if (c == ']') {
      if (!is_inside) break;  // the ring's end
      if (depth < 2 || numbers.size() < 2) throw wrong("no list of longitude and latitude");
      points.push_back({.latitude_deg = numbers[1], .longitude_deg = numbers[0]});
      is_inside = false;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      double number = 0;
      const auto [end, error] =
          std::from_chars(geometry.data() + i, geometry.data() + geometry.size(), number);
      if (error != std::errc() || !is_inside) throw wrong("no list of longitude and latitude");
      numbers.push_back(number);
      i = static_cast<size_t>(end - geometry.data()) - 1;
    } else if (c != ',' && c != ' ') {
      throw wrong("no list of longitude and latitude");
    }
  }
  if (points.empty()) throw wrong("no point");
  return points;
}

// How far a position is from an area's edge, in metres: negative inside. NaN for an unknown
// position.
//
// A disc. O(1).
class Circle {
 public:
  // Throws std::invalid_argument unless the centre is known and radius_m > 0.
  Circle(Position center, double radius_m) : center_(center), radius_m_(radius_m) {
    if (!center.has_value() || !(radius_m > 0))
      throw std::invalid_argument("circle: wants a centre and a radius above 0 m");
  }
  double DistanceM(Position position) const { return HaversineM(center_, position) - radius_m_; }

 private:
  Position center_;
  double radius_m_;
};

namespace geofence_internal {

// Points on a line or ring as they lie in a plane around a position. Longitudes run on from point
// to point, so that neither the date line nor a place far away tears an edge apart.
class Outline {
 public:
  explicit Outline(std::vector<Position> points) : points_(std::move(points)) {
    double low = points_.front().longitude_deg;
    double high = low;
    for (size_t i = 1; i < points_.size(); ++i) {
      const double before = points_[i - 1].longitude_deg;
      double& its = points_[i].longitude_deg;
      its = before + std::remainder(its - before, 360.0);
      low = std::min(low, its);
      high = std::max(high, its);
    }
    middle_deg_ = (low + high) / 2;
  }

  // Calls visit(from, to) for each edge, with the position at the origin; the last point's edge to
  // the first is one of them where the outline is a ring.
  template <typename Visit>
  void ForEachEdge(Position position, bool is_ring, const Visit& visit) const {
    const double east = kMetresPerDegree * std::cos(position.latitude_deg * std::numbers::pi / 180);
    const double origin_deg =
        middle_deg_ - std::remainder(middle_deg_ - position.longitude_deg, 360.0);
    const auto to_plane = [&](const Position& point) {
      return Plane::Point{(point.longitude_deg - origin_deg) * east,
                          (point.latitude_deg - position.latitude_deg) * kMetresPerDegree};
    };
    Plane::Point from = to_plane(is_ring ? points_.back() : points_.front());
    for (size_t i = is_ring ? 0 : 1; i < points_.size(); ++i) {
      const Plane::Point to = to_plane(points_[i]);
      visit(from, to);
      from = to;
    }
  }

 private:
  std::vector<Position> points_;
  double middle_deg_ = 0;
};

// Square of the distance from the origin to the line between two points.
inline double Distance2(Plane::Point a, Plane::Point b) {
  const Plane::Point nearest = Plane::Nearest(a, b);
  return nearest.x * nearest.x + nearest.y * nearest.y;
}

inline std::vector<Position> Checked(std::vector<Position> points, size_t count_min,
                                     const char* what) {
  const bool are_known = std::ranges::all_of(points, &Position::has_value);
  if (points.size() >= count_min && are_known) return points;
  throw std::invalid_argument(std::string(what) + ": wants " + std::to_string(count_min) +
                              " known points or more, has " + std::to_string(points.size()));
}

}  // namespace geofence_internal

// An area within a ring of points, in either direction, closed or not; where it crosses itself the
// even-odd rule holds. Inside by counting crossings of a ray: Shimrat, "Algorithm 112"
// (Communications of the ACM 5, 1962); a point on an edge is at distance 0. Edges are straight in
// degrees. O(points).
class Polygon {
 public:
  // Throws std::invalid_argument for fewer than three points, or one that is unknown.
  explicit Polygon(std::vector<Position> points)
      : outline_(geofence_internal::Checked(std::move(points), 3, "polygon")) {}
  double DistanceM(Position position) const {
    if (!position.has_value()) return std::numeric_limits<double>::quiet_NaN();
    double nearest2 = std::numeric_limits<double>::infinity();
    bool is_inside = false;
    outline_.ForEachEdge(position, true, [&](Plane::Point from, Plane::Point to) {
      nearest2 = std::min(nearest2, geofence_internal::Distance2(from, to));
      // Whether the edge crosses the ray to the east.
      if ((from.y > 0) != (to.y > 0) && from.x - from.y * (to.x - from.x) / (to.y - from.y) > 0)
        is_inside = !is_inside;
    });
    return is_inside ? -std::sqrt(nearest2) : std::sqrt(nearest2);
  }

 private:
  geofence_internal::Outline outline_;
};

// All places within half_width_m of a route. O(points).
class Corridor {
 public:
  // Throws std::invalid_argument for fewer than two points, one that is unknown, or a width not
  // above 0.
  Corridor(std::vector<Position> route, double half_width_m)
      : outline_(geofence_internal::Checked(std::move(route), 2, "corridor")),
        half_width_m_(half_width_m) {
    if (!(half_width_m > 0)) throw std::invalid_argument("corridor: wants a width above 0 m");
  }
  double DistanceM(Position position) const {
    if (!position.has_value()) return std::numeric_limits<double>::quiet_NaN();
    double nearest2 = std::numeric_limits<double>::infinity();
    outline_.ForEachEdge(position, false, [&](Plane::Point from, Plane::Point to) {
      nearest2 = std::min(nearest2, geofence_internal::Distance2(from, to));
    });
    return std::sqrt(nearest2) - half_width_m_;
  }

 private:
  geofence_internal::Outline outline_;
  double half_width_m_;
};

// What a position says of a fence.
enum class Crossing : uint8_t { kNone, kEntered, kLeft };

// On which side of a fence a twin is, declared by window(). It enters where the distance is 0 or
// less and leaves only beyond `hysteresis_m`, so that a receiver's noise at the edge does not flap.
// The first position says where it is and crosses nothing. O(1) besides the distance; 24 bytes. A
// late or unknown position is ignored.
class FenceState {
 public:
  static constexpr const char* kLayout = "fence/1";

  constexpr FenceState() = default;
  // distance_m: of an area's DistanceM. REQUIRES: hysteresis_m >= 0
  Crossing Add(Time at, double distance_m, double hysteresis_m) {
    if (std::isnan(distance_m) || at <= at_) return Crossing::kNone;
    const bool is_first = at_ == kNoTime;
    at_ = at;
    const bool was_inside = is_inside();
    const bool is_now = was_inside ? distance_m <= hysteresis_m : distance_m <= 0;
    if (!is_first && is_now == was_inside) return Crossing::kNone;
    is_inside_ = is_now ? 1 : 0;
    since_ = at;
    if (is_first) return Crossing::kNone;
    return is_now ? Crossing::kEntered : Crossing::kLeft;
  }
  bool has_value() const { return at_ != kNoTime; }
  bool is_inside() const { return is_inside_ != 0; }
  // When it came to be on this side; kNoTime before the first.
  Time since() const { return since_; }

 private:
  Time at_ = kNoTime;
  Time since_ = kNoTime;
  uint64_t is_inside_ = 0;
};

// The states of several fences in one window. 24 * kFences bytes.
template <uint32_t kFences>
struct FenceStates {
  static constexpr auto kLayoutText = MakeLayout("fences", "", {kFences}, 1);
  static constexpr const char* kLayout = kLayoutText.data();
  FenceState fences[kFences];
};

static_assert(sizeof(FenceState) == 24);

}  // namespace gemel
