#include "gateway/route/id.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"

namespace gemel::route {
namespace {

// Bytes that may not stand in an id, and those of which it takes a look at the whole character.
constexpr std::array<bool, 256> kUnsafe = [] {
  std::array<bool, 256> unsafe{};
  for (size_t c = 0x80; c < 0x100; ++c) unsafe[c] = true;
  for (size_t c = 0; c < 0x20; ++c) unsafe[c] = true;
  for (const char c : std::string_view("+#/\"'<>`\\\x7f"))
    unsafe[static_cast<unsigned char>(c)] = true;
  return unsafe;
}();

bool IsUnsafe(char32_t character) {
  return character < 128 ? kUnsafe[character] : IsInvisible(character);
}

bool IsBlank(char32_t character) {
  return character == ' ' || character == 0xA0 || character == 0x1680 ||
         (character >= 0x2000 && character <= 0x200A) || character == 0x202F ||
         character == 0x205F || character == 0x3000;
}

std::string Refuse(std::string_view id, std::string_view why) {
  return fmt::format("id {} {}", Quote(id), why);
}

std::string Shown(Utf8Character c, std::string_view id, size_t at) {
  return IsInvisible(c.code) ? fmt::format("U+{:04X}", static_cast<uint32_t>(c.code))
                             : fmt::format("'{}'", id.substr(at, c.size));
}

void AppendEncoded(std::string_view bytes, std::string& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
}

}  // namespace

std::optional<std::string> CheckId(std::string_view id) {
  if (id.empty()) return "id is empty";
  if (id.size() > kIdBytesMax) {
    return Refuse(id, fmt::format("has {} bytes; at most {} are allowed", id.size(), kIdBytesMax));
  }
  if (id == "." || id == "..") return Refuse(id, "is a path, not a name");
  // What nearly all ids are, in one look a byte.
  const auto is_safe = [](char c) { return !kUnsafe[static_cast<unsigned char>(c)]; };
  if (id.front() != ' ' && id.back() != ' ' && std::ranges::all_of(id, is_safe)) return {};
  Utf8Character last;
  for (size_t at = 0; at < id.size(); at += last.size) {
    last = NextCharacter(id.substr(at));
    if (!last.is_valid) return Refuse(id, "is not UTF-8");
    if (IsUnsafe(last.code)) {
      return Refuse(id, fmt::format("has {}, which is not allowed in an id", Shown(last, id, at)));
    }
    if (at == 0 && IsBlank(last.code)) return Refuse(id, "begins with a blank");
  }
  if (IsBlank(last.code)) return Refuse(id, "ends with a blank");
  return std::nullopt;
}

std::optional<std::string> EncodeId(std::string_view raw, std::string& out) {
  out.clear();
  // Encoding only makes it longer, and a foreign text may be as long as a payload.
  if (raw.size() > kIdBytesMax) return CheckId(raw);
  Utf8Character c;
  for (size_t at = 0; at < raw.size(); at += c.size) {
    c = NextCharacter(raw.substr(at));
    if (!c.is_valid) return Refuse(raw, "is not UTF-8");
    const std::string_view bytes = raw.substr(at, c.size);
    const bool is_refused = c.code == '+' || c.code == '#' || c.code == 0;
    const bool is_edge = at == 0 || at + c.size == raw.size();
    if (c.code == '%' || (is_edge && IsBlank(c.code)) || (IsUnsafe(c.code) && !is_refused)) {
      AppendEncoded(bytes, out);
    } else {
      out += bytes;
    }
  }
  return CheckId(out);
}

std::string DecodeId(std::string_view id) {
  std::string raw;
  for (size_t at = 0; at < id.size(); ++at) {
    uint8_t byte = 0;
    const char* const digits = id.data() + at + 1;
    const bool is_encoded = id[at] == '%' && at + 2 < id.size() &&
                            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    raw += is_encoded ? static_cast<char>(byte) : id[at];
    if (is_encoded) at += 2;
  }
  return raw;
}

std::optional<std::string> CheckTopic(std::string_view topic) {
  if (topic.empty()) return "topic is empty";
  if (topic.size() > kTopicBytesMax) {
    return fmt::format("topic {} has {} bytes; at most {} are allowed", Quote(topic), topic.size(),
                       kTopicBytesMax);
  }
  const auto levels = static_cast<size_t>(std::ranges::count(topic, '/')) + 1;
  if (levels > kTopicLevelsMax) {
    return fmt::format("topic {} has {} levels; at most {} are allowed", Quote(topic), levels,
                       kTopicLevelsMax);
  }
  const bool is_ascii = std::ranges::all_of(topic, [](char c) { return (c & 0x80) == 0; });
  if (!is_ascii && !IsUtf8(topic)) return fmt::format("topic {} is not UTF-8", Quote(topic));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(topic, is_control)) {
    return fmt::format("topic {} has a control character", Quote(topic));
  }
  return std::nullopt;
}

}  // namespace gemel::route
