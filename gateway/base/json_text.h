#pragma once

#include <string>
#include <string_view>

namespace gemel {

// Appends a JSON string, quoted and escaped. Bytes that are no valid UTF-8 become U+FFFD, so that
// the result is valid whatever a device sent.
void AppendJsonText(std::string_view text, std::string& out);

}  // namespace gemel
