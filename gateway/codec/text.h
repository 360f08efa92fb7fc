#pragma once

#include <optional>
#include <string_view>

#include "gateway/base/refusal.h"
#include "gateway/codec/field_map.h"
#include "gateway/codec/scalar.h"

// Codec::kText: a payload that is one bare value.
namespace gemel::codec {

// The payload without the ASCII blanks around it. Refused if it is empty or no UTF-8.
std::optional<Refused> ReadText(std::string_view payload, Scalar& scalar);

// The rule of the field that the payload fills: the route's own, or the one that the topic names.
// Refused if it names none.
std::optional<Refused> FindTextRule(const FieldMap::Plan& plan, std::string_view field,
                                    uint32_t& rule);

}  // namespace gemel::codec
