#include "gateway/sdk/geo.hpp"

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(GeoTest, DistancesAgreeWithTheGreatCircleWithinOnePercent) {
  // Austin to Dallas, and Berlin to Hamburg: haversine with 6,371 km.
  EXPECT_NEAR(DistanceM({30.2672, -97.7431}, {32.7767, -96.7970}), 293'000, 2'930);
  EXPECT_NEAR(DistanceM({52.5200, 13.4050}, {53.5511, 9.9937}), 255'300, 2'553);
}

TEST(GeoTest, TheShorterWayLeadsAcrossTheDateLine) {
  EXPECT_NEAR(DistanceM({0, 179.99}, {0, -179.99}), 2'224, 1);
  const Position beyond = Plane({0, 179.99}).From({2'224, 0});
  EXPECT_NEAR(beyond.longitude_deg, -179.99, 1e-5);
}

TEST(GeoTest, DistanceIsTheSameBothWays) {
  EXPECT_DOUBLE_EQ(DistanceM({60, 10}, {61, 12}), DistanceM({61, 12}, {60, 10}));
}

TEST(GeoTest, AnUnknownPositionIsAtNoDistance) {
  EXPECT_FALSE(Position{}.has_value());
  EXPECT_TRUE(std::isnan(DistanceM({}, {30, -97})));
}

TEST(GeoTest, ToAndFromAPlaneAreInverse) {
  const Plane plane({48.1, 11.5});
  const Position back = plane.From(plane.To({48.3, 11.9}));
  EXPECT_NEAR(back.latitude_deg, 48.3, 1e-12);
  EXPECT_NEAR(back.longitude_deg, 11.9, 1e-12);
}

TEST(GeoTest, TheNearestPointOfALineIsNotBeyondItsEnds) {
  const Plane::Point inside = Plane::Nearest({-10, 5}, {10, 5});
  EXPECT_EQ(inside.x, 0);
  EXPECT_EQ(inside.y, 5);
  const Plane::Point end = Plane::Nearest({3, 4}, {10, 4});
  EXPECT_EQ(end.x, 3);
  EXPECT_EQ(end.y, 4);
  const Plane::Point only = Plane::Nearest({3, 4}, {3, 4});
  EXPECT_EQ(only.x, 3);
}

}  // namespace
}  // namespace gemel
