#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::codec {

// Places in a document, so that one walk over it finds them all: a node a level, children by key,
// or by index in an array. Grown by Add, then packed; after that immutable and safe from any
// thread.
class Trie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kRoot = 0;

  // The node of a place, made where it is new. REQUIRES: not packed
  uint32_t Add(const std::vector<std::string>& tokens);
  // What stands at a node; kNone unless it was set.
  uint32_t leaf(uint32_t node) const { return nodes_[node].leaf; }
  void set_leaf(uint32_t node, uint32_t leaf) { nodes_[node].leaf = leaf; }
  void Pack();

  size_t size() const { return nodes_.size(); }
  bool has_children(uint32_t node) const { return nodes_[node].children > 0; }
  bool has_indexes(uint32_t node) const { return nodes_[node].has_indexes; }

  class Children;
  // REQUIRES: packed. Lives as long as the trie.
  Children ChildrenOf(uint32_t node) const;
  uint32_t Child(uint32_t node, std::string_view key) const;
  uint32_t ChildAt(uint32_t node, uint32_t index) const;

 private:
  // The first and last eight bytes and the length: of keys up to 16 bytes, all that there is to
  // know.
  struct Ends {
    uint64_t first = 0;
    uint64_t last = 0;
    uint32_t size = 0;

    bool operator==(const Ends&) const = default;
    uint32_t Hash() const {
      const uint64_t mixed = (first ^ (last << 23 | last >> 41) ^ size) * 0x9E37'79B9'7F4A'7C15;
      return static_cast<uint32_t>(mixed >> 32);
    }
  };
  struct Node {
    uint32_t leaf = kNone;
    uint32_t first = 0;  // of its part of entries_, a power of two, at most a quarter of it used
    uint32_t mask = 0;
    uint32_t children = 0;
    bool has_indexes = false;
  };
  struct Entry {
    Ends ends;
    uint32_t child = kNone;
    uint32_t text = 0;  // in texts_
  };
  struct Edge {
    uint32_t parent;
    uint32_t child;
    std::string key;
  };

  template <typename T>
  static uint64_t Load(const char* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Ends EndsOf(std::string_view key) {
    const char* const text = key.data();
    const size_t size = key.size();
    Ends ends{.size = static_cast<uint32_t>(size)};
    if (size >= 8) {
      ends.first = Load<uint64_t>(text);
      ends.last = Load<uint64_t>(text + size - 8);
    } else if (size >= 4) {
      ends.first = Load<uint32_t>(text);
      ends.last = Load<uint32_t>(text + size - 4);
    } else if (size > 0) {
      ends.first = Load<uint8_t>(text);
      ends.last = Load<uint8_t>(text + size / 2) << 8 | Load<uint8_t>(text + size - 1);
    }
    return ends;
  }
  std::vector<Node> nodes_{1};
  std::vector<Entry> entries_;
  std::string texts_;
  std::vector<Edge> edges_;  // until packed
};

// The children of one node, ready to be looked up: a walk asks for many in a row.
class Trie::Children {
 public:
  // kNone if nothing at or below that place is wanted.
  uint32_t Find(std::string_view key) const {
    if (table_ == nullptr) return kNone;
    const Ends ends = EndsOf(key);
    for (uint32_t i = ends.Hash() & mask_;; i = (i + 1) & mask_) {
      const Entry& entry = table_[i];
      if (entry.child == kNone) return kNone;
      if (entry.ends == ends && (key.size() <= 16 || IsText(entry, key))) return entry.child;
    }
  }

 private:
  friend class Trie;
  bool IsText(const Entry& entry, std::string_view key) const {
    return std::memcmp(texts_ + entry.text, key.data(), key.size()) == 0;
  }

  // Not initialized, so that a walk's stack of levels costs nothing: Children{} has none.
  const Entry* table_;
  const char* texts_;
  uint32_t mask_;
};

inline Trie::Children Trie::ChildrenOf(uint32_t node) const {
  Children children{};
  const Node& parent = nodes_[node];
  if (parent.children == 0) return children;
  children.table_ = &entries_[parent.first];
  children.mask_ = parent.mask;
  children.texts_ = texts_.data();
  return children;
}

inline uint32_t Trie::Child(uint32_t node, std::string_view key) const {
  return ChildrenOf(node).Find(key);
}

}  // namespace gemel::codec
