#pragma once

#include <string_view>

namespace gemel::fuzz {

// Stops the program where a flat object is read otherwise than simdjson reads it.
void CheckFlat(std::string_view payload);

}  // namespace gemel::fuzz
