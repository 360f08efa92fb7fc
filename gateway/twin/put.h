#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/symbols.h"
#include "gateway/model/model.h"

namespace gemel::twin {

// A twin as one line of JSON, as `gemel export` writes it (playback/twin_line.h): the payload of a
// record that puts the twin in the place of what was known of it.

// Fills in a state in its model's default: "state" and "at_us". A window of another layout or size
// is left at its default. Symbols are left out, because they
// must be interned before. What is wrong, naming the field; nothing if all fits.
std::optional<std::string> PutState(const nlohmann::json& line, const model::Model& model,
                                    std::byte* state);
// The symbols of "state" that must be interned: index of the field, and text.
std::vector<std::pair<uint16_t, std::string>> SymbolsOf(const nlohmann::json& line,
                                                        const model::Model& model);
// Writes one value of a line into a state; a symbol of no choices and a window of another layout or
// size leave it as it is. False if the value is none of the field's type.
bool PutField(const gemel_field& field, const nlohmann::json& value, std::byte* state);
// Of "repeats". Nothing if it is no hexadecimal text.
std::optional<std::vector<std::byte>> RepeatsOf(const nlohmann::json& line);

// What is wrong with "timers", which may be missing; nothing if all are timers of different names.
std::optional<std::string> WrongTimers(const nlohmann::json& line);
// The same for "told".
std::optional<std::string> WrongTold(const nlohmann::json& line);

}  // namespace gemel::twin
