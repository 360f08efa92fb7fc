#pragma once

#include <string>
#include <vector>

#include "gateway/codec/field_map.h"
#include "gateway/codec/rule.h"
#include "gateway/codec/trie.h"

namespace gemel::codec {

// What FieldMap::Compile makes. A leaf of a trie is the first of the rules that read that place.
struct FieldMap::Plan {
  size_t table_size = 0;
  bool has_symbols = false;
  std::vector<FieldRule> rules;
  Trie places;  // in the payload, or in the item
  // In the object of what "^/" pointers read, whose keys are those pointers without the "^".
  Trie outer_places;
  std::vector<std::string> outer_pointers;  // of rules that are no symbols; each once
  // Codec::kText: the rule of the one field that payloads fill. kNone: the topic names the field,
  // and `places` has their names.
  uint32_t text_rule = FieldRule::kNone;
};

}  // namespace gemel::codec
