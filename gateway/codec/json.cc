#include "gateway/codec/json.h"

#include <simdjson.h>

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/quote.h"
#include "gateway/codec/field_map.h"

namespace gemel::codec {
namespace {

static_assert(kPadding >= simdjson::SIMDJSON_PADDING);

Refused Broken(std::string detail) { return {Refusal::kPayloadInvalid, std::move(detail)}; }

std::string_view Sentence(simdjson::error_code error) {
  switch (error) {
    case simdjson::CAPACITY:
      return "it is too long";
    case simdjson::DEPTH_ERROR:
      return "it is nested too deeply";
    case simdjson::STRING_ERROR:
      return "a text has a bad escape or half a surrogate pair";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a word is none of true, false and null";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed, or beyond 64 bits or a double";
    case simdjson::UTF8_ERROR:
      return "it is not UTF-8";
    case simdjson::EMPTY:
      return "it is blank";
    case simdjson::UNESCAPED_CHARS:
      return "a text has a control character";
    case simdjson::UNCLOSED_STRING:
      return "a text is not closed";
    default:
      return "brackets, commas or colons are wrong, or something follows its end";
  }
}

}  // namespace

std::string_view Pad(std::string& text) {
  const size_t size = text.size();
  text.append(kPadding, '\0');
  return {text.data(), size};
}

struct JsonParser::Parser {
  simdjson::dom::parser dom;
};

JsonParser::JsonParser() : parser_(std::make_unique<Parser>()) {
  // What the document needs is allocated by the first parse.
  const auto error = parser_->dom.allocate(kPayloadBytesMaxDefault, kPayloadDepthMax);
  GEMEL_ASSERT(error == simdjson::SUCCESS);
}
JsonParser::~JsonParser() = default;

std::optional<Refused> JsonParser::Parse(std::string_view text) {
  if (text.empty()) return Broken("empty payload");
  if (text.starts_with("\xEF\xBB\xBF"))
    return Broken("no JSON: a byte order mark stands before it");
  const auto parsed = parser_->dom.parse(text.data(), text.size(), /*realloc_if_needed=*/false);
  if (parsed.error() == simdjson::SUCCESS) return std::nullopt;
  if (parsed.error() == simdjson::DEPTH_ERROR) {
    return Broken(fmt::format("no JSON that is allowed: deeper than {} levels", kPayloadDepthMax));
  }
  return Broken(
      fmt::format("no JSON: {}; it begins with {}", Sentence(parsed.error()), Quote(text)));
}

Tape JsonParser::tape() const {
  const simdjson::dom::document& document = parser_->dom.doc;
  return {document.tape.get(), reinterpret_cast<const char*>(document.string_buf.get())};
}

Marks::OfWalk Marks::Begin(size_t places) {
  if (marks_.size() < places) marks_.resize(places);
  if (++walk_ == 0) {
    std::ranges::fill(marks_, 0);
    walk_ = 1;
  }
  return {marks_.data(), walk_};
}

Refused TooManyMembers() {
  return Broken(fmt::format("over {} members in all", kPayloadMembersMax));
}

Refused KeyTooLong(std::string_view key) {
  return Broken(fmt::format("key {} has {} bytes; at most {} are allowed", Quote(key), key.size(),
                            kPayloadKeyBytesMax));
}

Refused KeyTwice(std::string_view key) {
  return Broken(fmt::format("key {} stands twice in its object", Quote(key)));
}

}  // namespace gemel::codec
