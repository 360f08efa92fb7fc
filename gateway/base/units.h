#pragma once

#include <string_view>

#include "gateway/base/status.h"

// Units of measure that a route may convert between, so that a sensor in Fahrenheit can fill a
// field that its model declares in Celsius.
namespace gemel {

// Linear: what was given times `scale`, plus `offset`, is what is wanted.
struct Conversion {
  double scale = 1;
  double offset = 0;

  constexpr double Apply(double value) const { return value * scale + offset; }
  constexpr bool is_identity() const { return scale == 1 && offset == 0; }

  friend bool operator==(const Conversion&, const Conversion&) = default;
};

// From a value in `from` to one in `to`. Two identical texts convert as they are, known or not: a
// model may use units of its own. Otherwise both must be in the table and measure the same thing;
// Invalid names both and lists what is allowed.
Result<Conversion> FindConversion(std::string_view from, std::string_view to);

}  // namespace gemel
