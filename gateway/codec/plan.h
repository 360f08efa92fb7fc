#pragma once

#include <vector>

#include "gateway/codec/field_map.h"
#include "gateway/codec/rule.h"
#include "gateway/codec/trie.h"

namespace gemel::codec {

// What decides most values: a rule that is neither converted nor named, the only one of its place.
// Eight bytes instead of a rule's few hundred, so that a message touches few lines of cache.
struct PlainRule {
  uint32_t type = GEMEL_NULL;  // GEMEL_NULL: the rule is not of this kind
  uint16_t field = 0;
};

// What FieldMap::Compile makes. A leaf of a trie is the first of the rules that read that place.
struct FieldMap::Plan {
  size_t table_size = 0;
  bool has_symbols = false;
  std::vector<FieldRule> rules;
  std::vector<PlainRule> plain;  // beside `rules`
  Trie places;                   // in the payload, or in the item
  // What "^/" pointers read: in the object that Envelope makes, whose keys are those pointers
  // without the "^", or in the payload where the route has no items.
  bool has_outer = false;
  Trie outer_keys;
  Trie outer_places;
  bool reads_members = false;  // of the payload alone, so that a flat object may be all it takes
  uint32_t text_rule = FieldRule::kNone;  // Codec::kText: of the field that payloads fill
};

}  // namespace gemel::codec
