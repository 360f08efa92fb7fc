#include "gateway/codec/glance.h"

#include <simdjson.h>

#include <cstdint>

#include "gateway/codec/field_map.h"

namespace gemel::codec {
namespace {

using Kind = Scalar::Kind;

// False for a container or a broken value.
bool ToScalar(simdjson::ondemand::value value, Scalar& scalar) {
  simdjson::ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  switch (type) {
    case simdjson::ondemand::json_type::string:
      scalar.kind = Kind::kText;
      return value.get_string().get(scalar.text) == simdjson::SUCCESS;
    case simdjson::ondemand::json_type::boolean:
      scalar.kind = Kind::kBool;
      return value.get_bool().get(scalar.boolean) == simdjson::SUCCESS;
    case simdjson::ondemand::json_type::null:
      scalar.kind = Kind::kNull;
      return value.is_null();
    case simdjson::ondemand::json_type::number:
      break;
    default:
      return false;
  }
  simdjson::ondemand::number number;
  if (value.get_number().get(number) != simdjson::SUCCESS) return false;
  if (number.is_int64()) {
    scalar.kind = Kind::kInteger;
    scalar.integer = number.get_int64();
  } else if (number.is_uint64()) {
    scalar.kind = Kind::kUnsigned;
    scalar.unsigned_integer = number.get_uint64();
  } else {
    scalar.kind = Kind::kDouble;
    scalar.number = number.get_double();
  }
  return true;
}

}  // namespace

struct Glance::Parser {
  simdjson::ondemand::parser ondemand;
};

Glance::Glance() : parser_(std::make_unique<Parser>()) {}
Glance::~Glance() = default;

bool Glance::ReadEach(std::string_view text, const Trie& trie, size_t wanted,
                      VisitFunction function, const void* visit) {
  static_assert(kPadding >= simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::document document;
  const simdjson::padded_string_view padded(text, text.size() + kPadding);
  if (parser_->ondemand.iterate(padded).get(document) != simdjson::SUCCESS) return false;
  simdjson::ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return false;
  const Trie::Children members = trie.ChildrenOf(Trie::kRoot);
  uint64_t met = 0;
  for (auto result : object) {
    simdjson::ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return false;
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return false;
    const uint32_t node = members.Find(key);
    if (node == Trie::kNone) continue;
    // A key that comes twice: the full reader says so.
    if (node >= 64 || (met >> node & 1) != 0) return false;
    met |= uint64_t{1} << node;
    Scalar scalar;
    if (!ToScalar(field.value(), scalar)) return false;
    function(visit, node, scalar);
    if (--wanted == 0) return true;
  }
  return true;
}

}  // namespace gemel::codec
