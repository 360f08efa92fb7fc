#pragma once

#include <cmath>
#include <limits>
#include <numbers>

// Distances on the ground for twins: short ones, fast. The earth is a sphere here, and flat around
// the point that is asked about: the error stays below 1 % up to some hundred kilometres outside
// the polar regions.
namespace gemel {

inline constexpr double kMetresPerDegree = 111'195.0;  // of a great circle, mean radius 6,371 km

// Degrees, WGS 84. NaN where it is unknown; every distance to it is then NaN too.
struct Position {
  double latitude_deg = std::numeric_limits<double>::quiet_NaN();
  double longitude_deg = std::numeric_limits<double>::quiet_NaN();

  bool has_value() const { return !std::isnan(latitude_deg) && !std::isnan(longitude_deg); }
};

// The plane that touches the earth at `origin`: x metres to the east, y metres to the north. Make
// it once for all distances from one place; it costs the one cosine.
class Plane {
 public:
  struct Point {
    double x = 0;
    double y = 0;
  };

  explicit Plane(Position origin)
      : origin_(origin),
        east_(kMetresPerDegree * std::cos(origin.latitude_deg * std::numbers::pi / 180)) {}

  Point To(Position position) const {
    return {WrapDegrees(position.longitude_deg - origin_.longitude_deg) * east_,
            (position.latitude_deg - origin_.latitude_deg) * kMetresPerDegree};
  }
  Position From(Point point) const {
    return {origin_.latitude_deg + point.y / kMetresPerDegree,
            WrapDegrees(origin_.longitude_deg + point.x / east_)};
  }
  double DistanceM(Position position) const {
    const Point point = To(position);
    return std::sqrt(point.x * point.x + point.y * point.y);
  }

  // The point of the line from a to b that is nearest to the origin.
  static Point Nearest(Point a, Point b) {
    const double dx = b.x - a.x;
    const double dy = b.y - a.y;
    const double length2 = dx * dx + dy * dy;
    if (!(length2 > 0)) return a;
    const double along = -(a.x * dx + a.y * dy) / length2;
    const double clamped = along < 0 ? 0 : along > 1 ? 1 : along;
    return {a.x + clamped * dx, a.y + clamped * dy};
  }

 private:
  // Into [-180, 180]: the shorter way round, also across the date line.
  static double WrapDegrees(double degrees) {
    if (degrees > 180) return degrees - 360;
    if (degrees < -180) return degrees + 360;
    return degrees;
  }

  Position origin_;
  double east_;
};

inline double DistanceM(Position a, Position b) {
  const Position middle{(a.latitude_deg + b.latitude_deg) / 2, a.longitude_deg};
  return Plane(middle).DistanceM(
      {b.latitude_deg - a.latitude_deg + middle.latitude_deg, b.longitude_deg});
}

}  // namespace gemel
