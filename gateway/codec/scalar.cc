#include "gateway/codec/scalar.h"

#include <charconv>
#include <cmath>

#include "gateway/base/assert.h"

namespace gemel::codec {
namespace {

using Kind = Scalar::Kind;

template <typename T, typename... Format>
std::string_view Written(char (&buffer)[kNumberBytesMax], T value, Format... format) {
  const auto [end, error] = std::to_chars(buffer, buffer + kNumberBytesMax, value, format...);
  GEMEL_ASSERT(error == std::errc());
  return {buffer, static_cast<size_t>(end - buffer)};
}

// Whole numbers look the same whether they came as integers or as doubles, up to where doubles skip
// some. Beyond that an exponent says that it was a double, which an integer might not hold.
std::string_view WrittenDouble(char (&buffer)[kNumberBytesMax], double value) {
  constexpr double kIntegersEnd = 9'007'199'254'740'992.0;  // 2^53
  const bool is_whole = std::trunc(value) == value;
  if (!is_whole) return Written(buffer, value);
  if (std::abs(value) < kIntegersEnd) return Written(buffer, static_cast<int64_t>(value));
  return Written(buffer, value, std::chars_format::scientific);
}

// Number of digits at the front.
size_t Digits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  return count;
}

enum class Shape { kNone, kInteger, kReal };

// By the grammar of RFC 8259.
Shape ShapeOf(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const size_t whole = Digits(text);
  if (whole == 0 || (whole > 1 && text[0] == '0')) return Shape::kNone;
  text.remove_prefix(whole);
  if (text.empty()) return Shape::kInteger;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const size_t fraction = Digits(text);
    if (fraction == 0) return Shape::kNone;
    text.remove_prefix(fraction);
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    const size_t exponent = Digits(text);
    if (exponent == 0) return Shape::kNone;
    text.remove_prefix(exponent);
  }
  return text.empty() ? Shape::kReal : Shape::kNone;
}

}  // namespace

std::string_view TextOf(const Scalar& scalar, char (&buffer)[kNumberBytesMax]) {
  switch (scalar.kind) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return scalar.boolean ? "true" : "false";
    case Kind::kInteger:
      return Written(buffer, scalar.integer);
    case Kind::kUnsigned:
      return Written(buffer, scalar.unsigned_integer);
    case Kind::kDouble:
      return WrittenDouble(buffer, scalar.number);
    case Kind::kText:
      return scalar.text;
    case Kind::kAbsent:
    case Kind::kObject:
    case Kind::kArray:
      break;
  }
  GEMEL_ASSERT(false);
}

Scalar NumberOf(std::string_view text) {
  Scalar scalar;
  const Shape shape = ShapeOf(text);
  if (shape == Shape::kNone) return scalar;
  const char* const end = text.data() + text.size();
  if (shape == Shape::kInteger) {
    if (std::from_chars(text.data(), end, scalar.integer).ec == std::errc()) {
      scalar.kind = Kind::kInteger;
      return scalar;
    }
    if (std::from_chars(text.data(), end, scalar.unsigned_integer).ec == std::errc()) {
      scalar.kind = Kind::kUnsigned;
      return scalar;
    }
  }
  double number = 0;
  const bool is_read = std::from_chars(text.data(), end, number).ec == std::errc();
  if (!is_read || !std::isfinite(number)) return Scalar{};
  scalar.kind = Kind::kDouble;
  scalar.number = number;
  return scalar;
}

}  // namespace gemel::codec
