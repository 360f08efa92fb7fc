#include "gateway/route/template.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"

namespace gemel::route {
namespace {

using Level = Template::Level;
using Kind = Template::Level::Kind;

bool IsName(std::string_view text) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && is_letter(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

// A level and the sentence that says why it is none.
Result<Level> ParseLevel(std::string_view text, bool is_last) {
  if (text == "+") return Level{.kind = Kind::kAny};
  if (text == "#") {
    if (!is_last) return Invalid("\"#\" may only stand last");
    return Level{.kind = Kind::kRest};
  }
  if (text.find_first_of("+#") != std::string_view::npos) {
    return Invalid("\"+\" and \"#\" must stand alone in a level");
  }
  const size_t open = text.find('{');
  const size_t close = text.find('}');
  if (open == std::string_view::npos && close == std::string_view::npos) {
    return Level{.kind = Kind::kLiteral, .prefix = std::string(text)};
  }
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return Invalid("a brace without its counterpart");
  }
  const std::string_view name = text.substr(open + 1, close - open - 1);
  const std::string_view suffix = text.substr(close + 1);
  if (name.find('{') != std::string_view::npos || suffix.find('}') != std::string_view::npos) {
    const bool is_second = suffix.find('{') != std::string_view::npos;
    return Invalid(is_second ? "two captures in one level can't be told apart"
                             : "a brace without its counterpart");
  }
  if (suffix.find('{') != std::string_view::npos) return Invalid("a brace without its counterpart");
  if (!IsName(name)) {
    return Invalid(fmt::format("capture {} is no name: allowed is [a-z][a-z0-9_]*", Quote(name)));
  }
  return Level{.kind = Kind::kCapture,
               .prefix = std::string(text.substr(0, open)),
               .suffix = std::string(suffix),
               .name = std::string(name)};
}

// What is wrong with the text as a whole, whatever its levels hold.
std::string WholeProblem(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (text.size() > kTopicBytesMax) return fmt::format("over {} bytes", kTopicBytesMax);
  if (text[0] == '$') return "topics that begin with '$' are the broker's own";
  if (!IsUtf8(text)) return "it is not UTF-8";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(text, is_control)) return "it has a control character";
  const auto levels = static_cast<size_t>(std::ranges::count(text, '/')) + 1;
  if (levels > kTopicLevelsMax) return fmt::format("over {} levels", kTopicLevelsMax);
  return {};
}

// The shortest text that both levels match, or nothing. Neither is kRest.
std::optional<std::string> Common(const Level& a, const Level& b) {
  if (a.kind == Kind::kLiteral && b.kind == Kind::kLiteral) {
    if (a.prefix != b.prefix) return std::nullopt;
    return a.prefix;
  }
  if (b.kind == Kind::kLiteral) return Common(b, a);
  if (a.kind == Kind::kLiteral) {
    const bool fits = a.prefix.size() >= b.prefix.size() + b.suffix.size() &&
                      a.prefix.starts_with(b.prefix) && a.prefix.ends_with(b.suffix);
    if (!fits) return std::nullopt;
    return a.prefix;
  }
  const std::string& prefix = a.prefix.size() > b.prefix.size() ? a.prefix : b.prefix;
  const std::string& suffix = a.suffix.size() > b.suffix.size() ? a.suffix : b.suffix;
  const bool fits = prefix.starts_with(a.prefix) && prefix.starts_with(b.prefix) &&
                    suffix.ends_with(a.suffix) && suffix.ends_with(b.suffix);
  if (!fits) return std::nullopt;
  return prefix + "x" + suffix;
}

// A text that the level matches.
std::string Sample(const Level& level) {
  return level.kind == Kind::kLiteral ? level.prefix : level.prefix + "x" + level.suffix;
}

}  // namespace

Result<Template> Template::Parse(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Invalid(fmt::format("topic {}: {}", Quote(text), why));
  };
  if (const std::string problem = WholeProblem(text); !problem.empty()) return refuse(problem);
  Template parsed;
  parsed.text_ = text;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    Result<Level> level = ParseLevel(part, end == text.size());
    if (!level.ok()) {
      return refuse(fmt::format("level {}: {}", Quote(part), level.status().message()));
    }
    const auto has_same_name = [&](const Level& other) { return other.name == level->name; };
    if (!level->name.empty() && std::ranges::any_of(parsed.levels_, has_same_name)) {
      return refuse(fmt::format("level {}: {{{}}} is used twice", Quote(part), level->name));
    }
    parsed.levels_.push_back(*std::move(level));
    begin = end + 1;
  }
  return parsed;
}

std::vector<std::string> Template::names() const {
  std::vector<std::string> names;
  for (const Level& level : levels_) {
    if (level.kind == Kind::kCapture) names.push_back(level.name);
  }
  return names;
}

std::string Template::filter() const {
  std::string filter;
  for (const Level& level : levels_) {
    if (&level != &levels_.front()) filter += '/';
    if (level.kind == Kind::kLiteral) {
      filter += level.prefix;
    } else {
      filter += level.kind == Kind::kRest ? '#' : '+';
    }
  }
  return filter;
}

bool Template::Overlaps(const Template& other, std::string* example) const {
  std::string topic;
  size_t i = 0;
  const auto append = [&](const std::string& text) {
    if (i > 0) topic += '/';
    topic += text;
  };
  const auto is_rest = [&](const Template& side) {
    return i < side.levels_.size() && side.levels_[i].kind == Kind::kRest;
  };
  for (; !is_rest(*this) && !is_rest(other); ++i) {
    const bool has_mine = i < levels_.size();
    if (has_mine != (i < other.levels_.size())) return false;
    if (!has_mine) break;
    const std::optional<std::string> common = Common(levels_[i], other.levels_[i]);
    if (!common) return false;
    append(*common);
  }
  // Where one ends in "#", what is left of the other is an example of it.
  const Template& longer = is_rest(*this) ? other : *this;
  for (; i < longer.levels_.size() && !is_rest(longer); ++i) append(Sample(longer.levels_[i]));
  // No level to show, or one that is empty, which alone is no topic: "#" takes any, "/#" what
  // begins with a slash.
  if (example != nullptr) *example = !topic.empty() ? topic : i == 0 ? "x" : "/";
  return true;
}

}  // namespace gemel::route
