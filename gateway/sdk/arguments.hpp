#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "gateway/sdk/types.hpp"

namespace gemel {

inline gemel_text ToText(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToView(gemel_text text) { return {text.data, text.size}; }

inline gemel_value ToValue(bool value) { return {GEMEL_BOOL, 0, {.integer = value ? 1 : 0}}; }
inline gemel_value ToValue(double value) {
  if (std::isnan(value)) return {GEMEL_NULL, 0, {.integer = 0}};
  return {GEMEL_DOUBLE, 0, {.number = value}};
}
inline gemel_value ToValue(Time value) {
  if (value == kNoTime) return {GEMEL_NULL, 0, {.integer = 0}};
  return {GEMEL_TIME, 0, {.integer = value.time_since_epoch().count()}};
}
inline gemel_value ToValue(Symbol value) { return {GEMEL_SYMBOL, 0, {.integer = value.number}}; }
inline gemel_value ToValue(std::string_view value) {
  return {GEMEL_TEXT, static_cast<uint32_t>(value.size()), {.text = value.data()}};
}
inline gemel_value ToValue(const char* value) { return ToValue(std::string_view(value)); }
template <typename T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) gemel_value ToValue(T value) {
  if (static_cast<int64_t>(value) == kNoInteger) return {GEMEL_NULL, 0, {.integer = 0}};
  return {GEMEL_INT64, 0, {.integer = static_cast<int64_t>(value)}};
}
template <typename T>
gemel_value ToValue(const Last<T>& last) {
  if (!last.has_value()) return {GEMEL_NULL, 0, {.integer = 0}};
  return ToValue(last.value());
}

// {"limit_c", 110.0}: a named argument of a command or property of an alert. Holds views: use it
// within the expression that makes it.
struct Argument : gemel_argument {
  template <typename T>
  Argument(std::string_view argument_name, const T& argument_value)
      : gemel_argument{ToText(argument_name), ToValue(argument_value)} {}
};
static_assert(sizeof(Argument) == sizeof(gemel_argument));
using Arguments = std::initializer_list<Argument>;

}  // namespace gemel
