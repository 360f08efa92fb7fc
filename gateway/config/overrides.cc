#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"
#include "gateway/config/document.h"
#include "gateway/config/schema.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

using nlohmann::json;

constexpr std::string_view kPrefix = "GEMEL__";
constexpr std::string_view kSeparator = "__";
// As deep as a document may be.
constexpr size_t kSegmentsMax = 64;

std::vector<std::string_view> Segments(std::string_view text) {
  std::vector<std::string_view> segments;
  while (true) {
    const size_t end = text.find(kSeparator);
    segments.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return segments;
    text.remove_prefix(end + kSeparator.size());
  }
}

// Names are bytes that the environment holds; in a document they must be plain.
bool IsName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
}

// The key of `object` that is `segment` but for case.
std::optional<std::string> KeyLike(const json& object, std::string_view segment) {
  const std::string wanted = Lower(segment);
  for (const auto& item : object.items()) {
    if (Lower(item.key()) == wanted) return item.key();
  }
  return std::nullopt;
}

// One variable on its way down the document and the schema together.
class Override {
 public:
  Override(std::string_view variable, json& document)
      : origin_(variable), place_(&document), rule_(&Schema()) {}

  Status Down(std::string_view segment) {
    ChooseAlternative();
    const bool is_list = rule_ == nullptr ? place_->is_array() : Entry(*rule_, "items") != nullptr;
    if (is_list) return DownEntry(segment);
    const bool is_object = rule_ == nullptr || AllowsTypeOf(*rule_, json::object());
    if (!is_object || !(place_->is_object() || place_->is_null())) {
      return Wrong(fmt::format("{} has no keys", path_));
    }
    if (place_->is_null()) *place_ = json::object();
    return DownMember(segment);
  }

  Status Set(const std::string& text) {
    GEMEL_TRY_LET(*place_, Interpret(text));
    return {};
  }

  const std::string& path() const { return path_; }

 private:
  Status Wrong(std::string_view message) const { return origin_.Wrong({}, message); }

  // Where a key may be one thing or another, the object is what has keys.
  void ChooseAlternative() {
    if (rule_ == nullptr) return;
    const json* const any = Entry(*rule_, "anyOf");
    if (any == nullptr) return;
    const auto it = std::ranges::find_if(
        *any, [](const json& one) { return AllowsTypeOf(one, json::object()); });
    if (it != any->end()) rule_ = &*it;
  }

  Status DownEntry(std::string_view segment) {
    size_t index = 0;
    const char* const end = segment.data() + segment.size();
    const auto [rest, error] = std::from_chars(segment.data(), end, index);
    const size_t size = place_->is_array() ? place_->size() : 0;
    if (error != std::errc() || rest != end || index >= size) {
      return Wrong(fmt::format("{} has no entry {}; it has {}", path_, Quote(segment), size));
    }
    if (rule_ != nullptr) rule_ = Entry(*rule_, "items");
    place_ = &(*place_)[index];
    path_ = Joined(path_, index);
    return {};
  }

  Status DownMember(std::string_view segment) {
    const json* const properties = rule_ == nullptr ? nullptr : Entry(*rule_, "properties");
    const json* const others = rule_ == nullptr ? nullptr : Entry(*rule_, "additionalProperties");
    std::optional<std::string> key =
        properties == nullptr ? std::nullopt : KeyLike(*properties, segment);
    if (key) {
      rule_ = &properties->at(*key);
    } else if (others != nullptr && others->is_boolean()) {
      return NoSuchKey(segment, *properties);
    } else {
      rule_ = others;
      key = KeyLike(*place_, segment).value_or(Lower(segment));
    }
    place_ = &(*place_)[*key];
    path_ = Joined(path_, *key);
    return {};
  }

  Status NoSuchKey(std::string_view segment, const json& properties) const {
    std::vector<std::string> keys;
    for (const auto& item : properties.items()) keys.push_back(item.key());
    const std::string key = Lower(segment);
    return Wrong(fmt::format("no such key {}{}", Joined(path_, key), Suggestion(key, keys)));
  }

  // JSON if the key wants what it says; otherwise, for a key that wants a string, the text itself,
  // so that a user name of digits needs no quotes.
  Result<json> Interpret(const std::string& text) const {
    auto parsed = ParseDocument(text, origin_);
    if (parsed.ok() && (rule_ == nullptr || AllowsTypeOf(*rule_, *parsed))) return parsed;
    const bool may_be_text = rule_ == nullptr || AllowsTypeOf(*rule_, json(text));
    // A quantity given as a number is told its unit by the validation.
    if (!may_be_text) return parsed;
    if (!IsUtf8(text)) return Wrong("not UTF-8");
    return json(text);
  }

  Origin origin_;     // the variable, for messages
  json* place_;       // where it has come to in the document,
  const json* rule_;  // in the schema (null: anything goes)
  std::string path_;  // and in words
};

}  // namespace

Status ApplyOverrides(const Environment& environment, json& document, Origin& origin) {
  for (const auto& [variable, text] : environment) {
    if (!variable.starts_with(kPrefix)) continue;
    const Origin place(IsName(variable) ? variable : Quote(variable));
    const auto segments = Segments(std::string_view(variable).substr(kPrefix.size()));
    if (segments.size() > kSegmentsMax || !std::ranges::all_of(segments, IsName)) {
      return place.Wrong({}, "names no key; GEMEL__SECTION__KEY does");
    }
    Override override(variable, document);
    for (const std::string_view segment : segments) GEMEL_TRY(override.Down(segment));
    GEMEL_TRY(override.Set(text));
    origin.Override(override.path(), variable);
  }
  return {};
}

}  // namespace gemel::config
