#include "gateway/codec/pointer.h"

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"

namespace gemel::codec {

Result<Pointer> ParsePointer(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Invalid(fmt::format("JSON pointer {} {}", Quote(text), why));
  };
  Pointer pointer;
  std::string_view rest = text;
  if (rest.starts_with('^')) {
    pointer.is_outer = true;
    rest.remove_prefix(1);
  }
  if (!rest.empty() && !rest.starts_with('/'))
    return refuse("must begin with \"/\", as in \"/engine/oil/t\"");
  pointer.text = rest;
  if (!IsUtf8(rest)) return refuse("is not UTF-8");
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '/') {
      pointer.tokens.emplace_back();
    } else if (rest[i] != '~') {
      pointer.tokens.back() += rest[i];
    } else {
      const char kind = ++i < rest.size() ? rest[i] : ' ';
      if (kind != '0' && kind != '1')
        return refuse("has a \"~\" that is neither \"~0\" nor \"~1\"");
      pointer.tokens.back() += kind == '0' ? '~' : '/';
    }
  }
  if (pointer.tokens.size() > kPayloadDepthMax) {
    return refuse(fmt::format("is deeper than {} levels", kPayloadDepthMax));
  }
  return pointer;
}

}  // namespace gemel::codec
