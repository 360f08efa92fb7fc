#include "gateway/sdk/geofence.hpp"

#include <cmath>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gemel {
namespace {

using std::chrono::seconds;

constexpr Time kBegin{seconds{1'700'000'000}};
// A little under 5 km by 7 km, with a notch cut out of the northern side.
const std::vector<Position> kNotched = {{48.10, 11.50}, {48.10, 11.60}, {48.15, 11.60},
                                        {48.15, 11.57}, {48.12, 11.55}, {48.15, 11.53},
                                        {48.15, 11.50}};

class GeofenceTest : public ::testing::Test {
 protected:
  double Number(double from, double to) {
    return std::uniform_real_distribution<double>(from, to)(random_);
  }
  const uint64_t seed_ = std::random_device()();
  std::mt19937_64 random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

TEST_F(GeofenceTest, HaversineAgreesWithKnownDistancesAndWithThePlaneNearBy) {
  EXPECT_NEAR(HaversineM({36.12, -86.67}, {33.94, -118.40}), 2'886'444,
              10);  // Nashville, Los Angeles
  EXPECT_NEAR(HaversineM({0, 0}, {0, 180}), std::numbers::pi * 6'371'000, 1e-6);
  EXPECT_EQ(HaversineM({10, 20}, {10, 20}), 0);
  EXPECT_TRUE(std::isnan(HaversineM({}, {1, 2})));
  for (int i = 0; i < 1'000; ++i) {
    const Position a{Number(-60, 60), Number(-180, 180)};
    const Position b = Along(a, Number(0, 360), Number(1, 50'000));
    EXPECT_NEAR(HaversineM(a, b), DistanceM(a, b), 0.01 * DistanceM(a, b));
  }
}

TEST_F(GeofenceTest, DeadReckoningGoesAsFarAsSpeedAndTimeSayAndComesBack) {
  for (int i = 0; i < 1'000; ++i) {
    const Position from{Number(-80, 80), Number(-180, 180)};
    const double heading = Number(0, 360);
    const double speed = Number(0.1, 40);
    const auto elapsed = Duration(1 + static_cast<int64_t>(random_() % 3'600'000'000));
    const Position to = DeadReckon(from, speed, heading, elapsed);
    const double distance = speed * ToSeconds(elapsed);
    EXPECT_NEAR(HaversineM(from, to), distance, 1e-6 * distance + 1e-3);
    EXPECT_LE(std::abs(to.longitude_deg), 180);
    EXPECT_NEAR(HaversineM(from, DeadReckon(from, speed, heading, -elapsed)), distance,
                1e-6 * distance + 1e-3);
  }
  const Position east = DeadReckon({0, 179.999}, 100, 90, seconds(10));
  EXPECT_NEAR(east.longitude_deg, -179.992, 0.001) << "across the date line";
  EXPECT_NEAR(DeadReckon({10, 20}, 10, 0, FromSeconds(11'119.5)).latitude_deg, 11, 1e-4);
}

TEST_F(GeofenceTest, ACircleIsItsRadiusAround) {
  const Circle circle({48.1, 11.5}, 500);
  EXPECT_NEAR(circle.DistanceM({48.1, 11.5}), -500, 1e-9);
  for (int heading = 0; heading < 360; heading += 15) {
    EXPECT_NEAR(circle.DistanceM(Along({48.1, 11.5}, heading, 700)), 200, 1e-6);
    EXPECT_NEAR(circle.DistanceM(Along({48.1, 11.5}, heading, 100)), -400, 1e-6);
  }
  EXPECT_TRUE(std::isnan(circle.DistanceM({})));
}

// Inside by the winding number, in degrees; the distance by points along each edge.
bool IsInside(const std::vector<Position>& points, Position at) {
  double turned = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const Position& a = points[i];
    const Position& b = points[(i + 1) % points.size()];
    const double from =
        std::atan2(a.latitude_deg - at.latitude_deg, a.longitude_deg - at.longitude_deg);
    const double to =
        std::atan2(b.latitude_deg - at.latitude_deg, b.longitude_deg - at.longitude_deg);
    turned += std::remainder(to - from, 2 * std::numbers::pi);
  }
  return std::abs(turned) > std::numbers::pi;
}
double NearestM(const std::vector<Position>& points, Position at, bool is_ring) {
  double nearest = HUGE_VAL;
  for (size_t i = is_ring ? 0 : 1; i < points.size(); ++i) {
    const Position& a = points[i == 0 ? points.size() - 1 : i - 1];
    const Position& b = points[i];
    for (int k = 0; k <= 400; ++k) {
      const double share = k / 400.0;
      nearest = std::min(
          nearest, HaversineM(at, {a.latitude_deg + share * (b.latitude_deg - a.latitude_deg),
                                   a.longitude_deg + share * (b.longitude_deg - a.longitude_deg)}));
    }
  }
  return nearest;
}

TEST_F(GeofenceTest, APolygonIsNegativeInsideAndItsDistanceIsToTheNearestEdge) {
  const Polygon polygon(kNotched);
  std::vector<Position> backwards(kNotched.rbegin(), kNotched.rend());
  backwards.push_back(backwards.front());  // closed, and the other way round
  const Polygon same(backwards);
  for (int i = 0; i < 1'000; ++i) {
    const Position at{Number(48.08, 48.17), Number(11.47, 11.63)};
    const double exact = NearestM(kNotched, at, true);
    if (exact < 20) continue;  // too near for the reference
    const double found = polygon.DistanceM(at);
    EXPECT_EQ(found < 0, IsInside(kNotched, at)) << at.latitude_deg << ' ' << at.longitude_deg;
    EXPECT_NEAR(std::abs(found), exact, 0.01 * exact + 10);
    EXPECT_NEAR(same.DistanceM(at), found, 1e-6);
  }
  EXPECT_GT(polygon.DistanceM({48.14, 11.55}), 0) << "in the notch";
  EXPECT_NEAR(polygon.DistanceM({48.10, 11.55}), 0, 1e-6) << "on an edge";
  EXPECT_TRUE(std::isnan(polygon.DistanceM({})));
}

TEST_F(GeofenceTest, AnAreaMayLieAcrossTheDateLineAndIsNowhereElse) {
  const Polygon polygon({{-17, 179}, {-17, -179}, {-19, -179}, {-19, 179}});
  EXPECT_LT(polygon.DistanceM({-18, 179.9}), 0);
  EXPECT_LT(polygon.DistanceM({-18, -179.9}), 0);
  EXPECT_GT(polygon.DistanceM({-18, 178.9}), 10'000);
  EXPECT_GT(polygon.DistanceM({-18, -178.9}), 10'000);
  for (double longitude = -175; longitude <= 175; longitude += 5)
    EXPECT_GT(polygon.DistanceM({-18, longitude}), 300'000) << longitude;
  const Corridor corridor({{-18, 179.5}, {-18, -179.5}}, 1'000);
  EXPECT_NEAR(corridor.DistanceM({-18, 180}), -1'000, 1);
  EXPECT_GT(corridor.DistanceM({-18, 0}), 1'000'000);
}

TEST_F(GeofenceTest, ACorridorFollowsItsRouteAndEndsRound) {
  const std::vector<Position> route = {{48.10, 11.50}, {48.12, 11.52}, {48.12, 11.60}};
  const Corridor corridor(route, 300);
  for (int i = 0; i < 1'000; ++i) {
    const Position at{Number(48.08, 48.14), Number(11.48, 11.62)};
    const double exact = NearestM(route, at, false);
    EXPECT_NEAR(corridor.DistanceM(at), exact - 300, 0.01 * exact + 10);
  }
  EXPECT_NEAR(corridor.DistanceM(route[1]), -300, 1e-6);
  EXPECT_NEAR(corridor.DistanceM(Along(route[2], 90, 300)), 0, 3);
  EXPECT_TRUE(std::isnan(corridor.DistanceM({})));
}

TEST_F(GeofenceTest, AreasThatAreNoneAreRefused) {
  EXPECT_THROW(Circle({}, 5), std::invalid_argument);
  EXPECT_THROW(Circle({1, 2}, 0), std::invalid_argument);
  EXPECT_THROW(Circle({1, 2}, std::nan("")), std::invalid_argument);
  EXPECT_THROW(Polygon({{1, 2}, {3, 4}}), std::invalid_argument);
  EXPECT_THROW(Polygon({{1, 2}, {3, 4}, {}}), std::invalid_argument);
  EXPECT_THROW(Corridor({{1, 2}}, 5), std::invalid_argument);
  EXPECT_THROW(Corridor({{1, 2}, {3, 4}}, -5), std::invalid_argument);
}

TEST_F(GeofenceTest, PointsAreReadFromTheGeometryOfATable) {
  const auto points =
      PointsOf("[[[11.5,48.1],[11.6, 48.1, 520],[-1.5e1,48.2]],[[0,0],[1,1],[2,2]]]");
  ASSERT_EQ(points.size(), 3U) << "holes are left out";
  EXPECT_EQ(points[1].latitude_deg, 48.1);
  EXPECT_EQ(points[1].longitude_deg, 11.6);
  EXPECT_EQ(points[2].longitude_deg, -15);
  EXPECT_EQ(PointsOf("[[11.5,48.1],[11.6,48.2]]").size(), 2U);
  for (const char* text :
       {"", "[]", "[[]]", "[11.5,48.1]", "[[11.5]]", "1,2", "[[x,y]]", "[[1,2"}) {
    EXPECT_THROW(PointsOf(text), std::invalid_argument) << text;
  }
}

TEST_F(GeofenceTest, NoiseAtTheEdgeDoesNotFlap) {
  FenceState state;
  Time at = kBegin;
  const auto say = [&](double distance_m) {
    at += seconds(1);
    return state.Add(at, distance_m, 30);
  };
  EXPECT_FALSE(state.has_value());
  EXPECT_EQ(say(500), Crossing::kNone) << "the first crosses nothing";
  EXPECT_EQ(say(1), Crossing::kNone);
  EXPECT_EQ(say(-0.5), Crossing::kEntered);
  const Time entered = at;
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(say(Number(-30, 30)), Crossing::kNone);
  EXPECT_EQ(state.since(), entered);
  EXPECT_EQ(say(30.5), Crossing::kLeft);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(say(Number(0.1, 60)), Crossing::kNone);
  EXPECT_EQ(state.Add(at, -100, 30), Crossing::kNone) << "not newer";
  EXPECT_EQ(state.Add(at - seconds(5), -100, 30), Crossing::kNone) << "late";
  EXPECT_EQ(say(std::nan("")), Crossing::kNone);
  EXPECT_FALSE(state.is_inside());
}

TEST_F(GeofenceTest, EntriesAndExitsTakeTurnsOnAnyWalk) {
  FenceState state;
  const Circle circle({48.1, 11.5}, 300);
  Position here{48.1, 11.5};
  Time at = kBegin;
  bool is_inside = false;
  for (int i = 0; i < 5'000; ++i) {
    here = DeadReckon(here, Number(0, 20), Number(0, 360), seconds(5));
    at += seconds(5);
    const double distance = circle.DistanceM(here);
    const Crossing crossing = state.Add(at, distance, 20);
    if (i == 0) is_inside = distance <= 0;
    if (crossing != Crossing::kNone) {
      EXPECT_EQ(crossing, is_inside ? Crossing::kLeft : Crossing::kEntered);
      is_inside = !is_inside;
    }
    EXPECT_EQ(state.is_inside(), is_inside);
    EXPECT_TRUE(distance > 0 || is_inside);
    EXPECT_TRUE(distance <= 20 || !is_inside);
  }
}

struct Fenced {
  FenceState yard;
  FenceStates<3> zones;
};

TEST_F(GeofenceTest, EachIsAWindowOfAState) {
  const Fields<Fenced> fields = {window(&Fenced::yard, "yard", "."),
                                 window(&Fenced::zones, "zones", ".")};
  EXPECT_EQ(fields.data()[1].size, 72U);
  EXPECT_STREQ(fields.data()[1].choices[0], "fences<3>/1");
}

}  // namespace
}  // namespace gemel
