#pragma once

#include <cstddef>
#include <span>
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

// Writes the value; GEMEL_NULL writes the type's null, if it has one. Text that is too long is cut.
// REQUIRES: the value's type is the field's, or null.
void WriteValue(const gemel_field& field, std::byte* state, const gemel_value& value);

// Writes a symbol that has choices, by its text; one that is no choice leaves the state as it is.
void WriteChoice(const gemel_field& field, std::byte* state, std::string_view text);

// Reads the value; GEMEL_NULL if it is the type's null, or a timed field that was never reported.
// Text points into the state. A symbol with choices reads as text. A window has no value.
gemel_value ReadValue(const gemel_field& field, const std::byte* state);

// A window's bytes in the state, and what its layout is called. REQUIRES: the field is a window;
// for WriteWindow also bytes.size() == field.size
std::span<const std::byte> WindowOf(const gemel_field& field, const std::byte* state);
std::string_view LayoutOf(const gemel_field& field);
void WriteWindow(const gemel_field& field, std::byte* state, std::span<const std::byte> bytes);

// Appends the value as JSON: numbers as the shortest that reads back (a negative zero as zero),
// times as milliseconds, symbols as text.
void AppendJson(const gemel_value& value, const Symbols& symbols, std::string& out);
// The same for what a field holds; a window is what people need of it,
// {"layout":"ring<double,32>/1","bytes":272}.
void AppendFieldJson(const gemel_field& field, const std::byte* state, const Symbols& symbols,
                     std::string& out);
// Appends {"name":value,...}.
void AppendJsonObject(const gemel_argument* arguments, size_t count, const Symbols& symbols,
                      std::string& out);

}  // namespace gemel::model
