#include "gateway/codec/trie.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <span>

namespace gemel::codec {
namespace {

// Whether the key may stand for an index of an array, as RFC 6901 writes them.
bool IsIndex(std::string_view key) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !key.empty() && key.size() <= 9 && std::ranges::all_of(key, is_digit) &&
         (key == "0" || key[0] != '0');
}

}  // namespace

uint32_t Trie::Add(const std::vector<std::string>& tokens) {
  uint32_t node = kRoot;
  for (const std::string& token : tokens) {
    const auto known = std::ranges::find_if(
        edges_, [&](const Edge& edge) { return edge.parent == node && edge.key == token; });
    if (known != edges_.end()) {
      node = known->child;
      continue;
    }
    const auto child = static_cast<uint32_t>(nodes_.size());
    edges_.push_back({node, child, token});
    ++nodes_[node].children;
    nodes_[node].has_indexes |= IsIndex(token);
    nodes_.emplace_back();
    node = child;
  }
  return node;
}

void Trie::Pack() {
  for (Node& node : nodes_) {
    if (node.children == 0) continue;
    // Roomy, because a second look costs more than a line of cache.
    const uint32_t size = std::bit_ceil(4 * node.children);
    node.first = static_cast<uint32_t>(entries_.size());
    node.mask = size - 1;
    entries_.resize(entries_.size() + size);
  }
  for (const Edge& edge : edges_) {
    const Node& parent = nodes_[edge.parent];
    const Ends ends = EndsOf(edge.key);
    const std::span table(&entries_[parent.first], parent.mask + 1);
    uint32_t i = ends.Hash() & parent.mask;
    while (table[i].child != kNone) i = (i + 1) & parent.mask;
    table[i] = {ends, edge.child, static_cast<uint32_t>(texts_.size())};
    texts_ += edge.key;
  }
  edges_.clear();
}

uint32_t Trie::ChildAt(uint32_t node, uint32_t index) const {
  char buffer[16];
  const char* const end = std::to_chars(buffer, buffer + sizeof buffer, index).ptr;
  return Child(node, {buffer, static_cast<size_t>(end - buffer)});
}

}  // namespace gemel::codec
