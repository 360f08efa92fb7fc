#include "gateway/codec/text.h"

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"
#include "gateway/codec/plan.h"

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

std::optional<Refused> FindTextRule(const FieldMap::Plan& plan, std::string_view field,
                                    uint32_t& rule) {
  rule = plan.text_rule;
  if (rule != FieldRule::kNone) return std::nullopt;
  const uint32_t place = plan.places.Child(Trie::kRoot, field);
  if (place != Trie::kNone) rule = plan.places.leaf(place);
  if (rule != FieldRule::kNone) return std::nullopt;
  return Refused{Refusal::kFieldInvalid,
                 fmt::format("the topic names no field of the route: {}", Quote(field))};
}

}  // namespace gemel::codec
