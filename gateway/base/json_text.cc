#include "gateway/base/json_text.h"

#include "gateway/base/utf8.h"

namespace gemel {

void AppendJsonText(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    size_t size = 1;
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else if (byte < 0x80) {
      out += text.front();
    } else if (const Utf8Character character = NextCharacter(text); character.is_valid) {
      size = character.size;
      out += text.substr(0, size);
    } else {
      out += "\xEF\xBF\xBD";
    }
    text.remove_prefix(size);
  }
  out += '"';
}

}  // namespace gemel
