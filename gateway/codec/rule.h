#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/refusal.h"
#include "gateway/base/status.h"
#include "gateway/base/units.h"
#include "gateway/codec/field_map.h"
#include "gateway/codec/pointer.h"
#include "gateway/codec/scalar.h"
#include "gateway/sdk/model.h"

namespace gemel::codec {

// A value that "values" of a route names for a text of the payload.
struct NamedValue {
  std::string from;
  gemel_value value{};  // of the field's type; texts lie in `text`, symbols are texts here
  std::string text;
};

// How values of a payload become values of one field. Immutable once compiled.
struct FieldRule {
  static constexpr uint32_t kNone = UINT32_MAX;

  std::string name;
  uint16_t field = 0;  // index in the model's table
  Pointer at;          // unused by Codec::kText
  uint32_t type = GEMEL_NULL;
  uint32_t bytes_max = 0;  // of a text or symbol
  std::optional<Conversion> conversion;
  TimeFormat time_format = TimeFormat::kMilliseconds;
  std::vector<NamedValue> values;
  uint32_t next = kNone;  // the next rule that reads the same place
};

// What a text or a symbol may have at most; 0 for other types.
uint32_t TextBytesMax(const gemel_field& field);
// The rule without unit and named values. Time is read as `time_format` says.
FieldRule RuleOf(const gemel_field& field, uint16_t index, TimeFormat time_format);
// Adds a named value. Invalid if `value`, which is JSON, does not fit the field.
Status AddNamedValue(FieldRule& rule, const std::string& from, std::string_view value);

// Converts a value that was sent. A symbol becomes a GEMEL_TEXT. Numbers that serve a text are
// written to `buffer`; the value refers to it, to the scalar's text or to the rule.
std::optional<Refused> Convert(const FieldRule& rule, const Scalar& scalar,
                               char (&buffer)[kNumberBytesMax], gemel_value& value);

// A point in time in microseconds; nothing if it is none or outside of years 1 to 9999.
std::optional<int64_t> TimeOf(const Scalar& scalar, TimeFormat format);
// A number or numeric text without a fraction; nothing beyond 64 bits.
std::optional<int64_t> IntegerOf(const Scalar& scalar);
// "RFC 3339 text", "milliseconds since 1970": what TimeOf takes.
std::string_view TimeFormatMeaning(TimeFormat format);

// What a refusal shows of a value: a quoted text, a number, "an object".
std::string Shown(const Scalar& scalar);

}  // namespace gemel::codec
