#include "gateway/http/target.h"

#include <cstddef>
#include <cstdint>
#include <iterator>

#include <fmt/format.h>

namespace gemel::http {
namespace {

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

enum class Plus : uint8_t { kPlus, kBlank };

std::optional<std::string> Decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kBlank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = HexDigit(text[i + 1]);
      const auto low = HexDigit(text[i + 2]);
      if (!high || !low) return std::nullopt;
      out += static_cast<char>(*high << 4 | *low);
      i += 2;
    }
  }
  return out;
}

// Calls `each` for the parts of `text`; false as soon as it says so.
template <typename Each>
bool ForEachPart(std::string_view text, char separator, const Each& each) {
  while (true) {
    const size_t end = text.find(separator);
    if (!each(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool ReadPath(std::string_view text, Target& target) {
  return ForEachPart(text, '/', [&](std::string_view segment) {
    auto decoded = Decode(segment, Plus::kPlus);
    if (!decoded) return false;
    target.path.push_back(*std::move(decoded));
    return true;
  });
}

bool ReadQuery(std::string_view text, Target& target) {
  return ForEachPart(text, '&', [&](std::string_view part) {
    if (part.empty()) return true;
    const size_t equals = part.find('=');
    auto name = Decode(part.substr(0, equals), Plus::kBlank);
    auto value =
        Decode(equals == std::string_view::npos ? "" : part.substr(equals + 1), Plus::kBlank);
    if (!name || !value) return false;
    target.query.emplace_back(*std::move(name), *std::move(value));
    return true;
  });
}

}  // namespace

std::optional<Target> ParseTarget(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  Target target;
  if (text.starts_with(kScheme)) {
    text.remove_prefix(kScheme.size());
    const size_t end = text.find_first_of("/?");
    target.authority = text.substr(0, end);
    text = end == std::string_view::npos ? "/" : text.substr(end);
    if (target.authority.empty()) return std::nullopt;
  }
  // A fragment never reaches a server that a browser talks to.
  if (text.find('#') != std::string_view::npos) return std::nullopt;
  const size_t question = text.find('?');
  std::string_view path = text.substr(0, question);
  if (path.empty() && !target.authority.empty()) path = "/";
  if (!path.starts_with('/') || !ReadPath(path.substr(1), target)) return std::nullopt;
  if (question != std::string_view::npos && !ReadQuery(text.substr(question + 1), target)) {
    return std::nullopt;
  }
  return target;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_safe = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_safe) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace gemel::http
