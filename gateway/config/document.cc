#include "gateway/config/document.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/utf8.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

using nlohmann::json;

// Printing and validating a document descends once a level.
constexpr size_t kDepthMax = 64;
constexpr size_t kMessageBytesMax = 200;

// Where the text stops being UTF-8, or its size.
size_t Utf8Prefix(std::string_view text) {
  if (IsUtf8(text)) return text.size();
  size_t good = 0;
  while (good < text.size()) {
    size_t bytes = 1;
    while (bytes <= 4 && !IsUtf8(text.substr(good, bytes))) ++bytes;
    if (bytes > 4) break;
    good += bytes;
  }
  return good;
}

std::string LineAndColumn(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t newline = before.rfind('\n');
  const std::string_view line =
      newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto lines = std::ranges::count(before, '\n');
  const auto columns = std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
  return fmt::format("line {}, column {}", lines + 1, columns + 1);
}

// The library's words without its prefix ("[json.exception…] parse error at line 1, column 2: "),
// on one short line.
std::string Explanation(std::string_view what) {
  if (const size_t end = what.find("] "); end != std::string_view::npos)
    what.remove_prefix(end + 2);
  if (what.starts_with("parse error at "))
    what.remove_prefix(std::min(what.find(": "), what.size() - 2) + 2);
  std::string explanation;
  for (const char c : what.substr(0, kMessageBytesMax)) {
    explanation += c < ' ' || c > '~' ? '?' : c;
  }
  return explanation;
}

// Builds the document as json::parse does, but refuses what that lets pass: a key given twice and
// depth without end.
class Builder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(json::object()); }
  bool start_array(size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.key = name;
    if (!level.container->contains(name)) return true;
    mistake_path_ = Path();
    mistake_ = "given twice";
    return false;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    error_offset_ = position == 0 ? 0 : position - 1;
    mistake_ = Explanation(e.what());
    return false;
  }

  json& document() { return document_; }
  const std::string& mistake() const { return mistake_; }
  const std::string& mistake_path() const { return mistake_path_; }
  std::optional<size_t> error_offset() const { return error_offset_; }

 private:
  struct Level {
    json* container;
    std::string key;  // of the member that comes or came last, in an object
  };

  json* Put(json value) {
    if (levels_.empty()) return &(document_ = std::move(value));
    Level& level = levels_.back();
    if (level.container->is_array()) {
      level.container->push_back(std::move(value));
      return &level.container->back();
    }
    return &((*level.container)[level.key] = std::move(value));
  }

  bool Add(json value) {
    Put(std::move(value));
    return true;
  }

  bool Open(json container) {
    if (levels_.size() == kDepthMax) {
      mistake_ = fmt::format("nested deeper than {} levels", kDepthMax);
      return false;
    }
    levels_.push_back({.container = Put(std::move(container)), .key = {}});
    return true;
  }

  bool Close() {
    levels_.pop_back();
    return true;
  }

  std::string Path() const {
    std::string path;
    for (const Level& level : levels_) {
      path = level.container->is_array() ? Joined(path, level.container->size() - 1)
                                         : Joined(path, level.key);
    }
    return path;
  }

  json document_;
  std::vector<Level> levels_;  // pointers stay good: a container only grows once its last is closed
  std::string mistake_;
  std::string mistake_path_;
  std::optional<size_t> error_offset_;
};

}  // namespace

Result<json> ParseDocument(std::string_view text, const Origin& origin) {
  if (const size_t good = Utf8Prefix(text); good < text.size()) {
    return origin.Wrong({}, fmt::format("{}: not UTF-8 (byte 0x{:02x})", LineAndColumn(text, good),
                                        static_cast<unsigned char>(text[good])));
  }
  Builder builder;
  const bool is_good =
      json::sax_parse(text.begin(), text.end(), &builder, json::input_format_t::json,
                      /*strict=*/true, /*ignore_comments=*/true);
  if (is_good) return std::move(builder.document());
  if (const auto offset = builder.error_offset()) {
    return origin.Wrong({}, fmt::format("{}: {}", LineAndColumn(text, *offset), builder.mistake()));
  }
  return origin.Wrong(builder.mistake_path(), builder.mistake());
}

}  // namespace gemel::config
