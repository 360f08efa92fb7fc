#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemel::route {

// Which ids may become a topic level, a key and a line in a log: valid UTF-8, 1 to 128 bytes, none
// of
// + # / " ' < > ` \ and no control, invisible or direction-changing characters (U+0000-001F,
// 007F-009F, 200B-200F, 2028-202E, 2060-2069, FEFF, FFF9-FFFB, noncharacters), no blank at either
// end, not "." or "..".

// From a topic: the sentence that says why the id is refused, or nothing if it is allowed.
std::optional<std::string> CheckId(std::string_view id);

// From a payload: unsafe bytes but + # NUL are percent-encoded ('%' too), then it is checked as
// above (so + # NUL, invalid UTF-8 and over 128 bytes after encoding are refused). `out` is
// overwritten.
std::optional<std::string> EncodeId(std::string_view raw, std::string& out);

// The raw id that EncodeId has made this one of.
std::string DecodeId(std::string_view id);

// Whether a topic may be handled at all: valid UTF-8, no NUL or other control characters, at most
// kTopicBytesMax bytes and kTopicLevelsMax levels. The sentence why not, or nothing.
std::optional<std::string> CheckTopic(std::string_view topic);

}  // namespace gemel::route
