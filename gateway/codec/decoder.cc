#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/codec/binary.h"
#include "gateway/codec/json.h"
#include "gateway/codec/plan.h"
#include "gateway/codec/text.h"

namespace gemel::codec {
namespace {

struct NumberText {
  char bytes[kNumberBytesMax];
};

}  // namespace

struct Decoder::Buffers {
  JsonParser payload_parser;
  JsonParser outer_parser;
  Marks marks;
  std::string json;                 // of a binary payload, padded
  std::vector<NumberText> numbers;  // one a field: numbers that serve a text
  FieldRule scalar_rule;
  NumberText scalar_number;

  // Converts for every rule that reads one place.
  std::optional<Refused> Fill(const FieldMap::Plan& plan, uint32_t first,
                              const codec::Scalar& scalar, std::span<gemel_value> values) {
    for (uint32_t i = first; i != FieldRule::kNone; i = plan.rules[i].next) {
      const FieldRule& rule = plan.rules[i];
      if (rule.type == GEMEL_SYMBOL) continue;
      auto refused = Convert(rule, scalar, numbers[rule.field].bytes, values[rule.field]);
      if (refused) return refused;
    }
    return std::nullopt;
  }

  std::optional<Refused> DecodeJson(JsonParser& parser, const FieldMap::Plan& plan,
                                    const Trie& places, std::string_view text,
                                    std::span<gemel_value> values) {
    if (auto refused = parser.Parse(text)) return refused;
    const Tape tape = parser.tape();
    if (tape.TypeAt(Tape::kRoot) != '{') {
      return Refused{Refusal::kPayloadInvalid, fmt::format("the payload is {}; wanted is an object",
                                                           Shown(tape.ValueAt(Tape::kRoot)))};
    }
    std::optional<Refused> misfit;
    const auto visit = [&](uint32_t node, const codec::Scalar& scalar) {
      // A meter with one line sends a number, one with two an array: whoever maps both sees either.
      if (scalar.is_container() && places.has_children(node)) return Step::kOn;
      misfit = Fill(plan, places.leaf(node), scalar, values);
      return misfit ? Step::kStop : Step::kOn;
    };
    auto refused = Walk(tape, Tape::kRoot, places, marks, visit);
    return refused ? refused : misfit;
  }

  // Codec::kText. Without a field of its own the route's topic names it.
  std::optional<Refused> DecodeText(const FieldMap::Plan& plan, std::string_view payload,
                                    std::string_view field, std::span<gemel_value> values) {
    uint32_t rule = FieldRule::kNone;
    if (auto refused = FindTextRule(plan, field, rule)) return refused;
    codec::Scalar scalar;
    if (auto refused = ReadText(payload, scalar)) return refused;
    return Fill(plan, rule, scalar, values);
  }
};

Decoder::Decoder() : buffers_(std::make_unique<Buffers>()) {}
Decoder::~Decoder() = default;

std::optional<Refused> Decoder::Decode(const FieldMap& map, Codec codec, std::string_view payload,
                                       std::string_view outer, std::span<gemel_value> values) {
  const FieldMap::Plan& plan = map.plan();
  GEMEL_ASSERT(values.size() == plan.table_size);
  for (gemel_value& value : values) value = {};
  Buffers& buffers = *buffers_;
  if (buffers.numbers.size() < values.size()) buffers.numbers.resize(values.size());
  if (codec == Codec::kText) return buffers.DecodeText(plan, payload, outer, values);
  if (codec != Codec::kJson) {
    if (auto refused = ToJson(codec, payload, buffers.json)) return refused;
    payload = Pad(buffers.json);
  }
  if (auto refused = buffers.DecodeJson(buffers.payload_parser, plan, plan.places, payload, values)) {
    return refused;
  }
  if (outer.empty()) return std::nullopt;
  return buffers.DecodeJson(buffers.outer_parser, plan, plan.outer_places, outer, values);
}

std::optional<Refused> Decoder::Scalar(const gemel_field& field, std::string_view text,
                                       gemel_value& value) {
  FieldRule& rule = buffers_->scalar_rule;
  // Assigned and not made anew, so that a long name does not allocate once warm.
  rule.name = field.name;
  rule.type = field.type;
  rule.bytes_max = TextBytesMax(field);
  // Milliseconds where it is a number; no text is both.
  rule.time_format = NumberOf(text).kind == codec::Scalar::Kind::kAbsent
                         ? TimeFormat::kIso
                         : TimeFormat::kMilliseconds;
  codec::Scalar scalar;
  if (!text.empty()) scalar = {.kind = codec::Scalar::Kind::kText, .text = text};
  return Convert(rule, scalar, buffers_->scalar_number.bytes, value);
}

}  // namespace gemel::codec
