#include "gateway/codec/items.h"

#include "gateway/base/assert.h"

namespace gemel::codec {

// The tape does not say where in the text a thing stands, but both have them in the same order: so
// the array is found by counting brackets, keys and values.
ItemTexts::ItemTexts(std::string_view text, const Tape& tape, size_t array) : text_(text) {
  for (size_t at = Tape::kRoot; at < array;) {
    const char type = tape.TypeAt(at);
    at += type == 'l' || type == 'u' || type == 'd' ? 2 : 1;
    NextToken();
  }
  NextToken();
}

std::string_view ItemTexts::Next() {
  const std::string_view first = NextToken();
  const size_t begin = at_ - first.size();
  const auto is_open = [](char c) { return c == '{' || c == '['; };
  size_t depth = is_open(first[0]) ? 1 : 0;
  while (depth > 0) {
    const char c = NextToken()[0];
    if (is_open(c)) ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return text_.substr(begin, at_ - begin);
}

// The text was parsed before, so what follows is what its first character promises.
std::string_view ItemTexts::NextToken() {
  at_ = text_.find_first_not_of(" \t\r\n,:", at_);
  GEMEL_ASSERT(at_ < text_.size());
  const size_t begin = at_;
  const char c = text_[at_];
  if (c == '{' || c == '}' || c == '[' || c == ']') {
    ++at_;
  } else if (c == '"') {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  } else {
    at_ = std::min(text_.find_first_of(" \t\r\n,:]}", at_), text_.size());
  }
  GEMEL_ASSERT(at_ <= text_.size());
  return text_.substr(begin, at_ - begin);
}

}  // namespace gemel::codec
