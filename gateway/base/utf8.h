#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gemel {

struct Utf8Character {
  char32_t code = 0;
  uint8_t size = 1;       // bytes; 1 where it is not valid
  bool is_valid = false;  // RFC 3629: shortest form, no surrogates, at most U+10FFFF
};

// The first character of a text. REQUIRES: the text is not empty.
Utf8Character NextCharacter(std::string_view text) noexcept;
bool IsUtf8(std::string_view text) noexcept;
// At most so many bytes of a text, never cut inside a character.
std::string_view CutUtf8(std::string_view text, size_t bytes_max) noexcept;

}  // namespace gemel
