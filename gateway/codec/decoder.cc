#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/codec/binary.h"
#include "gateway/codec/flat.h"
#include "gateway/codec/json.h"
#include "gateway/codec/plan.h"
#include "gateway/codec/text.h"

namespace gemel::codec {
namespace {

// The values that need no thought; false for all others.
bool FillPlain(const PlainRule& rule, const Scalar& scalar, std::span<gemel_value> values) {
  gemel_value& value = values[rule.field];
  if (rule.type == GEMEL_DOUBLE && scalar.kind == Scalar::Kind::kDouble) {
    value.as.number = scalar.number;
  } else if (rule.type == GEMEL_DOUBLE && scalar.kind == Scalar::Kind::kInteger) {
    value.as.number = static_cast<double>(scalar.integer);
  } else if (rule.type == GEMEL_INT64 && scalar.kind == Scalar::Kind::kInteger &&
             scalar.integer != INT64_MIN) {
    value.as.integer = scalar.integer;
  } else {
    return false;
  }
  value.type = rule.type;
  return true;
}

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

  // Refused unless the text is one whole object.
  std::optional<Refused> ParseObject(JsonParser& parser, std::string_view text) {
    if (auto refused = parser.Parse(text)) return refused;
    const Tape tape = parser.tape();
    if (tape.TypeAt(Tape::kRoot) == '{') return std::nullopt;
    return Refused{Refusal::kPayloadInvalid, fmt::format("the payload is {}; wanted is an object",
                                                         Shown(tape.ValueAt(Tape::kRoot)))};
  }

  std::optional<Refused> FillFrom(const Tape& tape, const FieldMap::Plan& plan, const Trie& places,
                                  std::span<gemel_value> values) {
    std::optional<Refused> misfit;
    const auto visit = [&](uint32_t node, const codec::Scalar& scalar) {
      if (FillPlain(plan.plain[places.leaf(node)], scalar, values)) return Step::kOn;
      // A meter with one line sends a number, one with two an array: whoever maps both sees either.
      if (scalar.is_container() && places.has_children(node)) return Step::kOn;
      misfit = Fill(plan, places.leaf(node), scalar, values);
      return misfit ? Step::kStop : Step::kOn;
    };
    auto refused = Walk(tape, Tape::kRoot, places, marks, visit);
    return refused ? refused : misfit;
  }

  // False where the payload is no flat object or a value does not fit: what is in `values` then
  // means nothing, and the payload must be read as a whole, which finds out what is wrong with it.
  bool FillFromFlat(const FieldMap::Plan& plan, std::string_view payload,
                    std::span<gemel_value> values) {
    Marks::OfWalk met = marks.Begin(plan.places.size());
    const auto visit = [&](uint32_t node, const codec::Scalar& scalar) {
      if (!met.Set(node)) return false;
      const uint32_t leaf = plan.places.leaf(node);
      if (leaf == Trie::kNone || FillPlain(plan.plain[leaf], scalar, values)) return true;
      return !Fill(plan, leaf, scalar, values);
    };
    return ReadFlat<Unasked::kCheck>(payload, plan.places.ChildrenOf(Trie::kRoot), visit) ==
           Flat::kWhole;
  }

  std::optional<Refused> DecodeJson(const FieldMap::Plan& plan, std::string_view payload,
                                    std::string_view outer, std::span<gemel_value> values) {
    if (plan.reads_members) {
      if (FillFromFlat(plan, payload, values)) return std::nullopt;
      for (gemel_value& value : values) value = {};
    }
    if (auto refused = ParseObject(payload_parser, payload)) return refused;
    const Tape tape = payload_parser.tape();
    if (auto refused = FillFrom(tape, plan, plan.places, values)) return refused;
    if (!plan.has_outer) return std::nullopt;
    if (outer.empty()) return FillFrom(tape, plan, plan.outer_places, values);
    // A parser of its own, because texts of the payload live in the other one.
    if (auto refused = ParseObject(outer_parser, outer)) return refused;
    return FillFrom(outer_parser.tape(), plan, plan.outer_keys, values);
  }

  std::optional<Refused> DecodeText(const FieldMap::Plan& plan, std::string_view payload,
                                    std::span<gemel_value> values) {
    codec::Scalar scalar;
    if (auto refused = ReadText(payload, scalar)) return refused;
    if (plan.text_rule != FieldRule::kNone) return Fill(plan, plan.text_rule, scalar, values);
    return Refused{Refusal::kFieldInvalid, "the route names no field for its text payload"};
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
  if (codec == Codec::kText) return buffers.DecodeText(plan, payload, values);
  if (codec != Codec::kJson) {
    if (auto refused = ToJson(codec, payload, buffers.json)) return refused;
    payload = Pad(buffers.json);
  }
  return buffers.DecodeJson(plan, payload, outer, values);
}

std::optional<Refused> Decoder::Scalar(const gemel_field& field, std::string_view text,
                                       gemel_value& value) {
  codec::Scalar scalar;
  value = {};
  if (text.empty()) return std::nullopt;
  if (auto refused = ReadText(text, scalar)) {
    return Refused{Refusal::kFieldInvalid, fmt::format("{}: {}", field.name, refused->detail)};
  }
  FieldRule& rule = buffers_->scalar_rule;
  // Assigned and not made anew, so that a long name does not allocate once warm.
  rule.name = field.name;
  rule.type = field.type;
  rule.bytes_max = TextBytesMax(field);
  // No text is both.
  const bool is_number = NumberOf(scalar.text).kind != codec::Scalar::Kind::kAbsent;
  rule.time_format = is_number ? TimeFormat::kMilliseconds : TimeFormat::kIso;
  return Convert(rule, scalar, buffers_->scalar_number.bytes, value);
}

}  // namespace gemel::codec
