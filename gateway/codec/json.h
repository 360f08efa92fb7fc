#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/limits.h"
#include "gateway/base/refusal.h"
#include "gateway/codec/scalar.h"
#include "gateway/codec/trie.h"

// JSON from devices that is not flat (flat.h): simdjson's DOM parser, which validates the whole
// document, and one walk over its tape. On-Demand was measured beside it: no faster once every
// value must be valid, and its checks end where its caller stops looking.
namespace gemel::codec {

// A parsed document: one word for each bracket, key and value, two for a number. The upper byte
// says what it is (simdjson's doc/tape.md). Lives until its parser parses again.
struct Tape {
  static constexpr size_t kRoot = 1;  // of the document's value

  const uint64_t* words = nullptr;
  const char* texts = nullptr;

  char TypeAt(size_t at) const { return static_cast<char>(words[at] >> 56); }
  std::string_view TextAt(size_t at) const {
    const char* const text = texts + (words[at] & 0x00FF'FFFF'FFFF'FFFF);
    uint32_t size = 0;
    std::memcpy(&size, text, sizeof size);
    return {text + sizeof size, size};
  }
  // The value that begins here, and where the next thing begins.
  Scalar ValueAt(size_t at) const;
  size_t After(size_t at) const;
};

// Appends what simdjson may read beyond a text, and returns the text without it.
std::string_view Pad(std::string& text);

// Holds simdjson's buffers, which are reused. One thread.
class JsonParser {
 public:
  JsonParser();
  ~JsonParser();

  // Refused unless the text is one whole JSON value within kPayloadDepthMax.
  // REQUIRES: kPadding readable bytes behind the text
  std::optional<Refused> Parse(std::string_view text);
  // Of the last text that was accepted.
  Tape tape() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Which places a walk has met, to see those that come twice. Reused without being cleared.
class Marks {
 public:
  class OfWalk {
   public:
    // False if it was marked before in this walk.
    bool Set(uint32_t place) {
      if (marks_[place] == walk_) return false;
      marks_[place] = walk_;
      return true;
    }

   private:
    friend class Marks;
    OfWalk(uint32_t* marks, uint32_t walk) : marks_(marks), walk_(walk) {}
    uint32_t* marks_;
    uint32_t walk_;
  };

  // Until the next Begin.
  OfWalk Begin(size_t places);

 private:
  std::vector<uint32_t> marks_;
  uint32_t walk_ = 0;
};

enum class Step : uint8_t { kOn, kOver, kStop };

Refused TooManyMembers();
Refused KeyTooLong(std::string_view key);
Refused KeyTwice(std::string_view key);

// Walks the value at `begin` and calls visit(node, value) -> Step at every node that has a leaf.
// kOver leaves out what is inside a container, its limits too; kStop ends the walk. Refused beyond
// the limits of members and keys, and if a key that leads to a leaf comes twice in its object.
// REQUIRES: the trie is packed
template <typename Visit>
std::optional<Refused> Walk(const Tape tape, size_t begin, const Trie& trie, Marks& marks,
                            const Visit& visit) {
  struct Level {
    Trie::Children children;
    uint32_t node;
    uint32_t index;  // of the next element
    bool is_object;
  };
  std::array<Level, kPayloadDepthMax + 1> levels;
  size_t depth = 0;
  size_t members = 0;
  uint32_t node = Trie::kRoot;
  Marks::OfWalk met = marks.Begin(trie.size());
  for (size_t at = begin;;) {
    bool is_entered = tape.TypeAt(at) == '{' || tape.TypeAt(at) == '[';
    if (node != Trie::kNone && trie.leaf(node) != Trie::kNone) {
      const Step step = visit(node, tape.ValueAt(at));
      if (step == Step::kStop) return std::nullopt;
      if (step == Step::kOver) is_entered = false;
    }
    if (is_entered) {
      Level& level = levels[depth++];
      level.children = node == Trie::kNone ? Trie::Children{} : trie.ChildrenOf(node);
      level.node = node;
      level.index = 0;
      level.is_object = tape.TypeAt(at) == '{';
      ++at;
    } else {
      at = tape.After(at);
    }
    while (depth > 0 && (tape.TypeAt(at) == '}' || tape.TypeAt(at) == ']')) {
      --depth;
      ++at;
    }
    if (depth == 0) return std::nullopt;
    Level& level = levels[depth - 1];
    if (level.is_object) {
      const std::string_view key = tape.TextAt(at++);
      if (++members > kPayloadMembersMax) return TooManyMembers();
      if (key.size() > kPayloadKeyBytesMax) return KeyTooLong(key);
      node = level.children.Find(key);
      if (node != Trie::kNone && !met.Set(node)) return KeyTwice(key);
    } else {
      const bool is_wanted = level.node != Trie::kNone && trie.has_indexes(level.node);
      node = is_wanted ? trie.ChildAt(level.node, level.index++) : Trie::kNone;
    }
  }
}

// Inline, because it is called for every mapped value.
inline Scalar Tape::ValueAt(size_t at) const {
  Scalar value;
  switch (TypeAt(at)) {
    case 'd':
      value.kind = Scalar::Kind::kDouble;
      std::memcpy(&value.number, &words[at + 1], sizeof value.number);
      break;
    case 'l':
      value.kind = Scalar::Kind::kInteger;
      std::memcpy(&value.integer, &words[at + 1], sizeof value.integer);
      break;
    case 'u':
      value.kind = Scalar::Kind::kUnsigned;
      value.unsigned_integer = words[at + 1];
      break;
    case '"':
      value.kind = Scalar::Kind::kText;
      value.text = TextAt(at);
      break;
    case 't':
    case 'f':
      value.kind = Scalar::Kind::kBool;
      value.boolean = TypeAt(at) == 't';
      break;
    case '{':
      value.kind = Scalar::Kind::kObject;
      value.unsigned_integer = at;
      break;
    case '[':
      value.kind = Scalar::Kind::kArray;
      value.unsigned_integer = at;
      break;
    default:
      value.kind = Scalar::Kind::kNull;
  }
  return value;
}

inline size_t Tape::After(size_t at) const {
  switch (TypeAt(at)) {
    case 'd':
    case 'l':
    case 'u':
      return at + 2;
    case '{':
    case '[':
      return static_cast<uint32_t>(words[at]);  // the lower half points behind its end
    default:
      return at + 1;
  }
}

}  // namespace gemel::codec
