#include "gateway/base/units.h"

#include <gtest/gtest.h>

namespace gemel {
namespace {

double Convert(double value, std::string_view from, std::string_view to) {
  const auto conversion = FindConversion(from, to);
  EXPECT_TRUE(conversion.ok()) << from << " to " << to;
  return conversion.ok() ? conversion->Apply(value) : 0;
}

TEST(UnitsTest, ConvertsWithinADimension) {
  const struct {
    double value;
    std::string_view from, to;
    double expected;
  } kCases[] = {
      {212, "F", "degC", 100},
      {-40, "degF", "C", -40},
      {100, "degC", "°F", 212},
      {0, "degC", "K", 273.15},
      {0, "K", "F", -459.67},
      {36, "km/h", "m/s", 10},
      {60, "mph", "km/h", 96.56064},
      {1, "kn", "km/h", 1.852},
      {1, "mi", "km", 1.609344},
      {1, "ft", "m", 0.3048},
      {1, "bar", "kPa", 100},
      {1, "psi", "kPa", 6.894757293168361},
      {760, "mmHg", "Pa", 101'325.0144354},
      {1, "t", "lb", 2204.6226218487757},
      {500, "g", "kg", 0.5},
      {1, "gal", "L", 3.785411784},
      {1'500'000, "us", "s", 1.5},
      {90, "min", "h", 1.5},
      {2, "d", "h", 48},
      {1, "kWh", "J", 3'600'000},
      {250, "W", "kW", 0.25},
      {45, "%", "1", 0.45},
      {0.45, "1", "%", 45},
      {180, "deg", "rad", 3.14159265358979},
      {600, "rpm", "Hz", 10},
  };
  for (const auto& c : kCases) {
    EXPECT_NEAR(Convert(c.value, c.from, c.to), c.expected, 1e-6) << c.from << " to " << c.to;
    EXPECT_NEAR(Convert(c.expected, c.to, c.from), c.value, 1e-6) << c.to << " to " << c.from;
  }
}

TEST(UnitsTest, SameUnitIsIdentityEvenWhenUnknown) {
  EXPECT_TRUE(FindConversion("degC", "degC")->is_identity());
  EXPECT_TRUE(FindConversion("widgets", "widgets")->is_identity());
  EXPECT_TRUE(FindConversion("", "")->is_identity());
  EXPECT_TRUE(FindConversion("C", "degC")->is_identity());
}

TEST(UnitsTest, OtherDimensionNamesBothAndListsWhatIsAllowed) {
  EXPECT_EQ(FindConversion("F", "bar").status().message(),
            "unit \"F\" can't be converted to \"bar\"; allowed: Pa, hPa, kPa, bar, psi, mmHg");
}

TEST(UnitsTest, UnknownUnitNamesBothAndListsWhatIsAllowed) {
  EXPECT_EQ(FindConversion("furlong", "1").status().message(),
            "unit \"furlong\" can't be converted to \"1\"; allowed: 1, %");
  EXPECT_EQ(FindConversion("F", "widgets").status().message(),
            "unit \"F\" can't be converted to \"widgets\"; allowed: widgets");
  EXPECT_EQ(FindConversion("F", "").status().message(),
            "unit \"F\" can't be converted to \"\"; allowed: no unit");
}

}  // namespace
}  // namespace gemel
