#include "gateway/base/quote.h"

#include <cstdint>
#include <iterator>

#include <fmt/format.h>

#include "gateway/base/utf8.h"

namespace gemel {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range kInvisible[] = {
    {0x0000, 0x001F}, {0x007F, 0x009F}, {0x200B, 0x200F}, {0x2028, 0x202E},
    {0x2060, 0x2069}, {0xFDD0, 0xFDEF}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
};

// Appends the first character, escaped if it must be; the number of bytes that it takes in `text`.
size_t AppendFirst(std::string_view text, std::string& out) {
  const Utf8Character first = NextCharacter(text);
  if (!first.is_valid) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[0]));
    return 1;
  }
  if (first.code == U'\n') {
    out += "\\n";
  } else if (first.code == U'"' || first.code == U'\\') {
    out += '\\';
    out += text[0];
  } else if (IsInvisible(first.code)) {
    fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<uint32_t>(first.code));
  } else {
    out += text.substr(0, first.size);
  }
  return first.size;
}

}  // namespace

bool IsInvisible(char32_t character) {
  for (const Range& range : kInvisible) {
    if (character >= range.first && character <= range.last) return true;
  }
  return (character & 0xFFFE) == 0xFFFE;
}

std::string Quote(std::string_view text, size_t bytes_max) {
  std::string out = "\"";
  size_t at = 0;
  while (at < text.size()) {
    if (at + NextCharacter(text.substr(at)).size > bytes_max) break;
    at += AppendFirst(text.substr(at), out);
  }
  out += '"';
  if (at < text.size()) out += "…";
  return out;
}

}  // namespace gemel
