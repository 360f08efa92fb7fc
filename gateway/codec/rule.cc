#include "gateway/codec/rule.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/base/time_text.h"
#include "gateway/codec/json.h"

namespace gemel::codec {
namespace {

using Kind = Scalar::Kind;

// 2^63: the first double that an int64 can't hold.
constexpr double kIntegerEnd = 9'223'372'036'854'775'808.0;

std::optional<Refused> Refuse(const FieldRule& rule, const Scalar& scalar, std::string_view why) {
  return Refused{Refusal::kFieldInvalid, fmt::format("{}: {} {}", rule.name, Shown(scalar), why)};
}

// Numbers may be sent as texts.
Scalar Numeric(const Scalar& scalar) {
  return scalar.kind == Kind::kText ? NumberOf(scalar.text) : scalar;
}

bool IsNumber(const Scalar& scalar) {
  return scalar.kind == Kind::kInteger || scalar.kind == Kind::kUnsigned ||
         scalar.kind == Kind::kDouble;
}

// REQUIRES: IsNumber(scalar)
double AsDouble(const Scalar& scalar) {
  if (scalar.kind == Kind::kInteger) return static_cast<double>(scalar.integer);
  if (scalar.kind == Kind::kUnsigned) return static_cast<double>(scalar.unsigned_integer);
  return scalar.number;
}

// A double without a fraction, as an integer; nothing beyond 64 bits. INT64_MIN stands for null.
std::optional<int64_t> Whole(double number) {
  if (std::trunc(number) != number || number <= -kIntegerEnd || number >= kIntegerEnd) {
    return std::nullopt;
  }
  return static_cast<int64_t>(number);
}

std::optional<Refused> ToBool(const FieldRule& rule, const Scalar& scalar, gemel_value& value) {
  value.type = GEMEL_BOOL;
  if (scalar.kind == Kind::kBool || scalar.text == "true" || scalar.text == "false") {
    value.as.integer = scalar.kind == Kind::kBool ? scalar.boolean : scalar.text == "true";
    return std::nullopt;
  }
  const Scalar number = Numeric(scalar);
  if (IsNumber(number) && (AsDouble(number) == 0 || AsDouble(number) == 1)) {
    value.as.integer = AsDouble(number) == 1;
    return std::nullopt;
  }
  return Refuse(rule, scalar, "is no boolean; allowed are true, false, 0 and 1");
}

std::optional<Refused> ToInteger(const FieldRule& rule, const Scalar& scalar, gemel_value& value) {
  const Scalar number = Numeric(scalar);
  if (!IsNumber(number)) return Refuse(rule, scalar, "is no integer");
  value.type = GEMEL_INT64;
  if (number.kind == Kind::kInteger && !rule.conversion && number.integer != INT64_MIN) {
    value.as.integer = number.integer;
    return std::nullopt;
  }
  std::optional<int64_t> whole;
  if (rule.conversion) {
    // A factor such as 1/3.6 leaves a fraction that the device did not mean.
    whole = Whole(std::round(rule.conversion->Apply(AsDouble(number))));
  } else if (number.kind == Kind::kDouble) {
    if (std::trunc(number.number) != number.number) {
      return Refuse(rule, scalar, "is no integer: it has a fraction");
    }
    whole = Whole(number.number);
  }
  if (!whole) return Refuse(rule, scalar, "is beyond what an integer of 64 bits holds");
  value.as.integer = *whole;
  return std::nullopt;
}

std::optional<Refused> ToDouble(const FieldRule& rule, const Scalar& scalar, gemel_value& value) {
  const Scalar number = Numeric(scalar);
  if (!IsNumber(number)) return Refuse(rule, scalar, "is no number");
  const double given = AsDouble(number);
  value.as.number = rule.conversion ? rule.conversion->Apply(given) : given;
  if (!std::isfinite(value.as.number)) return Refuse(rule, scalar, "is too large once converted");
  value.type = GEMEL_DOUBLE;
  return std::nullopt;
}

std::optional<Refused> ToTime(const FieldRule& rule, const Scalar& scalar, gemel_value& value) {
  const auto time = TimeOf(scalar, rule.time_format);
  if (!time) {
    return Refuse(rule, scalar,
                  fmt::format("is no time; wanted is {}", TimeFormatMeaning(rule.time_format)));
  }
  value.type = GEMEL_TIME;
  value.as.integer = *time;
  return std::nullopt;
}

std::optional<Refused> ToText(const FieldRule& rule, const Scalar& scalar,
                              char (&buffer)[kNumberBytesMax], gemel_value& value) {
  if (scalar.is_container()) return Refuse(rule, scalar, "is no text");
  const std::string_view text = TextOf(scalar, buffer);
  if (text.size() > rule.bytes_max) {
    return Refuse(rule, scalar,
                  fmt::format("has {} bytes; at most {} are allowed", text.size(), rule.bytes_max));
  }
  // A NUL ends the text for whoever reads it through C or SQL.
  if (text.find('\0') != std::string_view::npos) return Refuse(rule, scalar, "has a NUL");
  value.type = GEMEL_TEXT;
  value.length = static_cast<uint32_t>(text.size());
  value.as.text = text.data();
  return std::nullopt;
}

std::optional<Refused> ConvertPlain(const FieldRule& rule, const Scalar& scalar,
                                    char (&buffer)[kNumberBytesMax], gemel_value& value) {
  switch (rule.type) {
    case GEMEL_BOOL:
      return ToBool(rule, scalar, value);
    case GEMEL_INT64:
      return ToInteger(rule, scalar, value);
    case GEMEL_DOUBLE:
      return ToDouble(rule, scalar, value);
    case GEMEL_TIME:
      return ToTime(rule, scalar, value);
    default:
      return ToText(rule, scalar, buffer, value);
  }
}

std::optional<Refused> ConvertNamed(const FieldRule& rule, const Scalar& scalar,
                                    char (&buffer)[kNumberBytesMax], gemel_value& value) {
  if (!scalar.is_container()) {
    const std::string_view text = TextOf(scalar, buffer);
    const auto named = std::ranges::find(rule.values, text, &NamedValue::from);
    if (named != rule.values.end()) {
      value = named->value;
      // Set here, because a rule may have moved since it was compiled.
      if (value.type == GEMEL_TEXT) value.as.text = named->text.data();
      return std::nullopt;
    }
    const bool is_text = rule.type == GEMEL_TEXT || rule.type == GEMEL_SYMBOL;
    if (!is_text && !ConvertPlain(rule, scalar, buffer, value)) return std::nullopt;
  }
  std::string allowed;
  for (const NamedValue& named : rule.values) {
    if (!allowed.empty()) allowed += ", ";
    allowed += Quote(named.from);
  }
  return Refuse(rule, scalar, "is none of the route's values: " + allowed);
}

// Microseconds from a number of units, which may have a fraction.
std::optional<int64_t> Microseconds(const Scalar& number, int64_t per_unit) {
  int64_t us = 0;
  if (number.kind == Kind::kInteger) {
    if (__builtin_mul_overflow(number.integer, per_unit, &us)) return std::nullopt;
  } else if (number.kind == Kind::kDouble) {
    const auto whole = Whole(std::round(number.number * static_cast<double>(per_unit)));
    if (!whole) return std::nullopt;
    us = *whole;
  } else {
    return std::nullopt;
  }
  if (us < kTimeMinUs || us > kTimeMaxUs) return std::nullopt;
  return us;
}

}  // namespace

uint32_t TextBytesMax(const gemel_field& field) {
  if (field.type == GEMEL_SYMBOL) return kSymbolBytesMax;
  return field.type == GEMEL_TEXT ? field.size - uint32_t{sizeof(uint16_t)} : 0;
}

FieldRule RuleOf(const gemel_field& field, uint16_t index, TimeFormat time_format) {
  return {.name = field.name,
          .field = index,
          .type = field.type,
          .bytes_max = TextBytesMax(field),
          .time_format = time_format};
}

Status AddNamedValue(FieldRule& rule, const std::string& from, std::string_view value) {
  const auto refuse = [&](std::string_view why) {
    return Invalid(fmt::format("{}: value for {}: {}", rule.name, Quote(from), why));
  };
  std::string padded(value);
  JsonParser parser;
  if (const auto refused = parser.Parse(Pad(padded))) return refuse(refused->detail);
  const Scalar scalar = parser.tape().ValueAt(Tape::kRoot);
  NamedValue named{.from = from};
  if (!scalar.is_nothing()) {
    // It is the field's own value already, so its unit is not converted.
    FieldRule plain = rule;
    plain.conversion.reset();
    char buffer[kNumberBytesMax];
    if (const auto refused = ConvertPlain(plain, scalar, buffer, named.value)) {
      return refuse(refused->detail);
    }
    if (named.value.type == GEMEL_TEXT) named.text.assign(named.value.as.text, named.value.length);
  }
  rule.values.push_back(std::move(named));
  return Status::Ok();
}

std::optional<Refused> Convert(const FieldRule& rule, const Scalar& scalar,
                               char (&buffer)[kNumberBytesMax], gemel_value& value) {
  value.type = GEMEL_NULL;
  value.length = 0;
  if (scalar.is_nothing()) return std::nullopt;
  std::optional<Refused> refused = rule.values.empty() ? ConvertPlain(rule, scalar, buffer, value)
                                                       : ConvertNamed(rule, scalar, buffer, value);
  if (refused) value.type = GEMEL_NULL;
  return refused;
}

std::optional<int64_t> TimeOf(const Scalar& scalar, TimeFormat format) {
  switch (format) {
    case TimeFormat::kSeconds:
      return Microseconds(Numeric(scalar), 1'000'000);
    case TimeFormat::kMilliseconds:
      return Microseconds(Numeric(scalar), 1'000);
    case TimeFormat::kMicroseconds:
      return Microseconds(Numeric(scalar), 1);
    case TimeFormat::kIso:
      return scalar.kind == Kind::kText ? ParseIsoTime(scalar.text) : std::nullopt;
  }
  GEMEL_ASSERT(false);
}

std::optional<int64_t> IntegerOf(const Scalar& scalar) {
  const Scalar number = Numeric(scalar);
  if (number.kind == Kind::kInteger) return number.integer;
  return number.kind == Kind::kDouble ? Whole(number.number) : std::nullopt;
}

std::string_view TimeFormatMeaning(TimeFormat format) {
  switch (format) {
    case TimeFormat::kSeconds:
      return "seconds since 1970";
    case TimeFormat::kMilliseconds:
      return "milliseconds since 1970";
    case TimeFormat::kMicroseconds:
      return "microseconds since 1970";
    case TimeFormat::kIso:
      return "a text such as \"2024-03-01T10:00:00Z\"";
  }
  GEMEL_ASSERT(false);
}

std::string Shown(const Scalar& scalar) {
  switch (scalar.kind) {
    case Kind::kAbsent:
      return "nothing";
    case Kind::kText:
      return Quote(scalar.text);
    case Kind::kObject:
      return "an object";
    case Kind::kArray:
      return "an array";
    default:
      break;
  }
  char buffer[kNumberBytesMax];
  return std::string(TextOf(scalar, buffer));
}

}  // namespace gemel::codec
