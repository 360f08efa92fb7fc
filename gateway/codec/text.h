#pragma once

#include <optional>
#include <string_view>

#include "gateway/base/refusal.h"
#include "gateway/codec/scalar.h"

namespace gemel::codec {

// A payload that is one bare value, without the ASCII blanks around it. Refused if it is empty or
// no UTF-8.
std::optional<Refused> ReadText(std::string_view payload, Scalar& scalar);

}  // namespace gemel::codec
