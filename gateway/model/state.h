#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/base/symbols.h"
#include "gateway/sdk/model.h"
#include "gateway/sdk/types.hpp"

namespace gemel::model {

// Values in and out of a state struct by its field table: the one place that knows how they lie.

// What people call a gemel_type, and a gemel_source.
std::string_view TypeName(uint32_t type);
std::string_view SourceName(uint32_t source);

// The event time of a field that has one; kNoTime where it was never reported.
Time EventTimeOf(const gemel_field& field, const std::byte* state);
void SetEventTime(const gemel_field& field, std::byte* state, Time time);

// Writes the value; GEMEL_NULL writes the type's null. Text that is too long is cut.
// REQUIRES: the value's type is the field's, or null.
void WriteValue(const gemel_field& field, std::byte* state, const gemel_value& value);

// Writes a symbol that has choices, by its text; one that is no choice leaves the state as it is.
void WriteChoice(const gemel_field& field, std::byte* state, std::string_view text);

// Reads the value; GEMEL_NULL if it is the type's null, or a timed field that was never reported.
// Text points into the state. A symbol with choices reads as text.
gemel_value ReadValue(const gemel_field& field, const std::byte* state);

// Appends the value as JSON: numbers as the shortest that reads back (a negative zero as zero),
// times as milliseconds, symbols as text.
void AppendJson(const gemel_value& value, const Symbols& symbols, std::string& out);
// Appends {"name":value,...}.
void AppendJsonObject(const gemel_argument* arguments, size_t count, const Symbols& symbols,
                      std::string& out);

}  // namespace gemel::model
