#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemel {

// Control, invisible and direction-changing characters and noncharacters: what makes a text look
// like another one on a screen, or tears a line of a log.
bool IsInvisible(char32_t character);

// What a message shows of a foreign text.
inline constexpr size_t kQuoteBytesMax = 64;

// Foreign text as it may stand in a message, a log line or a terminal: in double quotes, cut to
// `bytes_max` bytes ("…" follows the quote then), with quotes and backslashes escaped, control and
// invisible characters as \u{202e} and bytes that are not UTF-8 as \xff.
std::string Quote(std::string_view text, size_t bytes_max = kQuoteBytesMax);

}  // namespace gemel
