#include "gateway/base/units.h"

#include <algorithm>
#include <iterator>
#include <numbers>
#include <string>

#include <fmt/format.h>

namespace gemel {
namespace {

enum class Dimension : unsigned char {
  kTemperature,
  kSpeed,
  kLength,
  kPressure,
  kMass,
  kVolume,
  kTime,
  kEnergy,
  kPower,
  kRatio,
  kAngle,
  kFrequency,
};

// A value in the unit, times scale, plus offset, is the value in the dimension's base unit.
struct Unit {
  std::string_view name;
  Dimension dimension;
  double scale;
  double offset = 0;
};

constexpr Unit kUnits[] = {
    {"degC", Dimension::kTemperature, 1},
    {"C", Dimension::kTemperature, 1},
    {"°C", Dimension::kTemperature, 1},
    {"degF", Dimension::kTemperature, 5.0 / 9, -160.0 / 9},
    {"F", Dimension::kTemperature, 5.0 / 9, -160.0 / 9},
    {"°F", Dimension::kTemperature, 5.0 / 9, -160.0 / 9},
    {"K", Dimension::kTemperature, 1, -273.15},
    {"m/s", Dimension::kSpeed, 1},
    {"km/h", Dimension::kSpeed, 1 / 3.6},
    {"mph", Dimension::kSpeed, 0.44704},
    {"kn", Dimension::kSpeed, 1852.0 / 3600},
    {"m", Dimension::kLength, 1},
    {"cm", Dimension::kLength, 0.01},
    {"mm", Dimension::kLength, 0.001},
    {"km", Dimension::kLength, 1000},
    {"mi", Dimension::kLength, 1609.344},
    {"ft", Dimension::kLength, 0.3048},
    {"Pa", Dimension::kPressure, 1},
    {"hPa", Dimension::kPressure, 100},
    {"kPa", Dimension::kPressure, 1000},
    {"bar", Dimension::kPressure, 100'000},
    {"psi", Dimension::kPressure, 6894.757293168361},
    {"mmHg", Dimension::kPressure, 133.322387415},
    {"kg", Dimension::kMass, 1},
    {"g", Dimension::kMass, 0.001},
    {"t", Dimension::kMass, 1000},
    {"lb", Dimension::kMass, 0.45359237},
    {"L", Dimension::kVolume, 1},
    {"mL", Dimension::kVolume, 0.001},
    {"m3", Dimension::kVolume, 1000},
    {"gal", Dimension::kVolume, 3.785411784},  // of the United States
    {"s", Dimension::kTime, 1},
    {"us", Dimension::kTime, 1e-6},
    {"ms", Dimension::kTime, 0.001},
    {"min", Dimension::kTime, 60},
    {"h", Dimension::kTime, 3600},
    {"d", Dimension::kTime, 86'400},
    {"J", Dimension::kEnergy, 1},
    {"Wh", Dimension::kEnergy, 3600},
    {"kWh", Dimension::kEnergy, 3'600'000},
    {"W", Dimension::kPower, 1},
    {"kW", Dimension::kPower, 1000},
    {"MW", Dimension::kPower, 1'000'000},
    {"1", Dimension::kRatio, 1},
    {"%", Dimension::kRatio, 0.01},
    {"deg", Dimension::kAngle, 1},
    {"rad", Dimension::kAngle, 180 / std::numbers::pi},
    {"Hz", Dimension::kFrequency, 1},
    {"kHz", Dimension::kFrequency, 1000},
    {"MHz", Dimension::kFrequency, 1'000'000},
    {"rpm", Dimension::kFrequency, 1.0 / 60},
};

const Unit* Find(std::string_view name) {
  const Unit* const unit = std::ranges::find(kUnits, name, &Unit::name);
  return unit == std::end(kUnits) ? nullptr : unit;
}

// What may be given where `to` is wanted.
std::string Allowed(std::string_view to) {
  const Unit* const wanted = Find(to);
  if (wanted == nullptr) return to.empty() ? "no unit" : std::string(to);
  std::string names;
  for (const Unit& unit : kUnits) {
    if (unit.dimension != wanted->dimension) continue;
    if (!names.empty()) names += ", ";
    names += unit.name;
  }
  return names;
}

}  // namespace

Result<Conversion> FindConversion(std::string_view from, std::string_view to) {
  if (from == to) return Conversion{};
  const Unit* const given = Find(from);
  const Unit* const wanted = Find(to);
  if (given == nullptr || wanted == nullptr || given->dimension != wanted->dimension) {
    return Invalid(fmt::format("unit \"{}\" can't be converted to \"{}\"; allowed: {}", from, to,
                               Allowed(to)));
  }
  return Conversion{.scale = given->scale / wanted->scale,
                    .offset = (given->offset - wanted->offset) / wanted->scale};
}

}  // namespace gemel
