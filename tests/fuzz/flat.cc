#include "tests/fuzz/flat.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gateway/base/assert.h"
#include "gateway/codec/flat.h"
#include "gateway/codec/json.h"

namespace gemel::fuzz {
namespace {

using codec::Scalar;
using Members = std::vector<std::pair<uint32_t, Scalar>>;

codec::Trie Places() {
  codec::Trie trie;
  for (const char* key : {"d", "c", "b", "t", "s", "y", "o", "mid", "seq", "x", "id"}) {
    const uint32_t node = trie.Add({key});
    trie.set_leaf(node, node);
  }
  trie.Pack();
  return trie;
}

bool IsSame(const Scalar& a, const Scalar& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Scalar::Kind::kText) return a.text == b.text;
  if (a.kind == Scalar::Kind::kBool) return a.boolean == b.boolean;
  // Bit by bit, so that 0 and -0 differ.
  return a.kind == Scalar::Kind::kNull ||
         std::memcmp(&a.integer, &b.integer, sizeof a.integer) == 0;
}

bool AreSame(const Members& a, const Members& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].first != b[i].first || !IsSame(a[i].second, b[i].second)) return false;
  }
  return true;
}

template <codec::Unasked unasked>
codec::Flat ReadFlat(std::string_view text, const codec::Trie& trie, Members& members) {
  return codec::ReadFlat<unasked>(text, trie.ChildrenOf(codec::Trie::kRoot),
                                  [&](uint32_t node, const Scalar& value) {
                                    members.emplace_back(node, value);
                                    return true;
                                  });
}

}  // namespace

void CheckFlat(std::string_view payload) {
  static const codec::Trie places = Places();
  static codec::JsonParser parser;
  static codec::Marks marks;
  std::string padded(payload);
  const std::string_view text = codec::Pad(padded);
  Members checked;
  Members skimmed;
  const codec::Flat outcome = ReadFlat<codec::Unasked::kCheck>(text, places, checked);
  const codec::Flat skipping = ReadFlat<codec::Unasked::kSkip>(text, places, skimmed);
  if (outcome != codec::Flat::kWhole) return;
  GEMEL_ASSERT(skipping == codec::Flat::kWhole && AreSame(checked, skimmed));
  GEMEL_ASSERT(!parser.Parse(text));
  Members expected;
  const auto visit = [&](uint32_t node, const Scalar& value) {
    expected.emplace_back(node, value);
    return codec::Step::kOn;
  };
  // Refused only for a key that comes twice, which the reader of a flat object leaves to `visit`.
  if (codec::Walk(parser.tape(), codec::Tape::kRoot, places, marks, visit)) return;
  GEMEL_ASSERT(AreSame(checked, expected));
}

}  // namespace gemel::fuzz
