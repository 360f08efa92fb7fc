#include "gateway/codec/text.h"

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"

namespace gemel::codec {

std::optional<Refused> ReadText(std::string_view payload, Scalar& scalar) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = payload.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return Refused{Refusal::kPayloadInvalid, "empty payload"};
  scalar.text = payload.substr(first, payload.find_last_not_of(kBlanks) - first + 1);
  scalar.kind = Scalar::Kind::kText;
  if (IsUtf8(scalar.text)) return std::nullopt;
  return Refused{Refusal::kPayloadInvalid,
                 fmt::format("no text: {} is not UTF-8", Quote(scalar.text))};
}

}  // namespace gemel::codec
