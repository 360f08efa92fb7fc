#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

// Appends two lower-case digits a byte.
void AppendHex(std::span<const std::byte> bytes, std::string& out);

// The bytes of such a text; nothing if it is none.
std::optional<std::vector<std::byte>> FromHex(std::string_view text);

}  // namespace gemel
