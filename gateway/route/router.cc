#include "gateway/route/router.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/quote.h"

namespace gemel::route {
namespace {

using Kind = Template::Level::Kind;

constexpr uint32_t kNone = UINT32_MAX;

// Lengths of the literals around a capture. All captures of a node with the same lengths are found
// by one look-up, so that time does not grow with their number.
struct Shape {
  uint16_t prefix = 0;
  uint16_t suffix = 0;
  bool operator==(const Shape&) const = default;
};
static_assert(kTopicBytesMax <= UINT16_MAX);

struct Node {
  uint32_t any = kNone;    // the child for a level of any text
  uint32_t rest = kNone;   // the route whose "#" stands here
  uint32_t route = kNone;  // the route that ends here
  bool has_literals = false;
  std::vector<Shape> shapes;
};

// One literal or shaped child. Its text is in the arena: prefix, then suffix.
struct Slot {
  uint64_t hash = 0;
  uint32_t child = kNone;
  uint32_t parent = kNone;
  uint32_t text = 0;
  uint16_t size = 0;
  uint16_t prefix = 0;  // of the shape; kLiteral if it is none
};
constexpr uint16_t kLiteral = UINT16_MAX;
static_assert(kTopicBytesMax < kLiteral);

struct Capture {
  uint16_t level;
  Shape shape;
};

struct Route {
  uint32_t first = 0;  // into captures
  uint32_t count = 0;
};

// Where a child hangs, before it is looked up.
struct Key {
  uint32_t parent;
  uint16_t prefix_size;  // kLiteral or the shape's
  std::string_view prefix;
  std::string_view suffix;

  uint64_t Hash() const {
    const uint64_t seed = uint64_t{parent} << 16 | prefix_size;
    const uint64_t hash = XXH3_64bits_withSeed(prefix.data(), prefix.size(), seed);
    return suffix.empty() ? hash : XXH3_64bits_withSeed(suffix.data(), suffix.size(), hash);
  }
};

}  // namespace

struct Router::Trie {
  std::vector<Node> nodes{1};
  std::vector<Slot> slots;  // open addressing, at most half full, a power of two
  std::string arena;
  std::vector<Capture> captures;
  std::vector<Route> routes;
  size_t used = 0;

  uint32_t Child(const Key& key) const {
    const uint64_t hash = key.Hash();
    for (size_t i = hash & (slots.size() - 1);; i = (i + 1) & (slots.size() - 1)) {
      const Slot& slot = slots[i];
      if (slot.child == kNone) return kNone;
      if (slot.hash == hash && Matches(slot, key)) return slot.child;
    }
  }

  bool Matches(const Slot& slot, const Key& key) const {
    if (slot.parent != key.parent || slot.prefix != key.prefix_size) return false;
    const std::string_view text(arena.data() + slot.text, slot.size);
    return text.size() == key.prefix.size() + key.suffix.size() && text.starts_with(key.prefix) &&
           text.ends_with(key.suffix);
  }

  void Grow() {
    std::vector<Slot> old =
        std::exchange(slots, std::vector<Slot>(std::max<size_t>(16, slots.size() * 2)));
    for (const Slot& slot : old) {
      if (slot.child != kNone) Place(slot);
    }
  }

  void Place(const Slot& slot) {
    size_t i = slot.hash & (slots.size() - 1);
    while (slots[i].child != kNone) i = (i + 1) & (slots.size() - 1);
    slots[i] = slot;
  }

  uint32_t ChildOrNew(const Key& key) {
    if (2 * (used + 1) > slots.size()) Grow();
    if (const uint32_t child = Child(key); child != kNone) return child;
    Place({.hash = key.Hash(),
           .child = static_cast<uint32_t>(nodes.size()),
           .parent = key.parent,
           .text = static_cast<uint32_t>(arena.size()),
           .size = static_cast<uint16_t>(key.prefix.size() + key.suffix.size()),
           .prefix = key.prefix_size});
    ++used;
    arena += key.prefix;
    arena += key.suffix;
    nodes.emplace_back();
    return static_cast<uint32_t>(nodes.size() - 1);
  }

  uint32_t Descend(uint32_t node, const Template::Level& level) {
    if (level.kind == Kind::kLiteral) {
      nodes[node].has_literals = true;
      return ChildOrNew({node, kLiteral, level.prefix, {}});
    }
    const Shape shape{static_cast<uint16_t>(level.prefix.size()),
                      static_cast<uint16_t>(level.suffix.size())};
    if (shape != Shape{}) {
      std::vector<Shape>& shapes = nodes[node].shapes;
      if (std::ranges::find(shapes, shape) == shapes.end()) shapes.push_back(shape);
      return ChildOrNew({node, shape.prefix, level.prefix, level.suffix});
    }
    if (nodes[node].any == kNone) {
      const auto child = static_cast<uint32_t>(nodes.size());
      nodes.emplace_back();
      nodes[node].any = child;
    }
    return nodes[node].any;
  }

  void Add(const Template& topic, uint32_t route) {
    routes.push_back({.first = static_cast<uint32_t>(captures.size())});
    uint32_t node = 0;
    uint16_t number = 0;
    for (const Template::Level& level : topic.levels()) {
      if (level.kind == Kind::kRest) {
        nodes[node].rest = route;
        return;
      }
      node = Descend(node, level);
      if (level.kind == Kind::kCapture) {
        captures.push_back({number,
                            {static_cast<uint16_t>(level.prefix.size()),
                             static_cast<uint16_t>(level.suffix.size())}});
        ++routes.back().count;
      }
      ++number;
    }
    nodes[node].route = route;
  }

  // The route of the levels from `level` on, below `index`. A literal that leads nowhere is no
  // reason to give up: "a/{x}/b" and "a/c/d" are two routes, and "a/c/b" is of the first.
  uint32_t Search(uint32_t index, std::span<const std::string_view> levels, size_t level) const {
    const Node& node = nodes[index];
    if (level == levels.size()) return node.route != kNone ? node.route : node.rest;
    const std::string_view text = levels[level];
    if (node.has_literals) {
      const uint32_t route = Below(Child({index, kLiteral, text, {}}), levels, level);
      if (route != kNone) return route;
    }
    for (const Shape& shape : node.shapes) {
      if (text.size() < size_t{shape.prefix} + shape.suffix) continue;
      const Key key{index, shape.prefix, text.substr(0, shape.prefix),
                    text.substr(text.size() - shape.suffix)};
      const uint32_t route = Below(Child(key), levels, level);
      if (route != kNone) return route;
    }
    const uint32_t route = Below(node.any, levels, level);
    return route != kNone ? route : node.rest;
  }

  uint32_t Below(uint32_t child, std::span<const std::string_view> levels, size_t level) const {
    return child == kNone ? kNone : Search(child, levels, level + 1);
  }
};

Router::Router(std::unique_ptr<Trie> trie) : trie_(std::move(trie)) {}
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;
Router::~Router() = default;

Result<Router> Router::Build(std::span<const Template> templates) {
  std::string example;
  for (size_t a = 0; a < templates.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      if (!templates[a].Overlaps(templates[b], &example)) continue;
      return Invalid(
          fmt::format("routes {} and {} both match a topic such as {}; it must be of one",
                      Quote(templates[b].text()), Quote(templates[a].text()), Quote(example)));
    }
  }
  auto trie = std::make_unique<Trie>();
  trie->Grow();
  for (size_t i = 0; i < templates.size(); ++i) trie->Add(templates[i], static_cast<uint32_t>(i));
  return Router(std::move(trie));
}

bool Router::Find(std::string_view topic, Match& match) const {
  if (topic.empty() || topic[0] == '$') return false;
  std::array<std::string_view, kTopicLevelsMax> levels;
  size_t count = 0;
  const char* at = topic.data();
  const char* const end = at + topic.size();
  for (;;) {
    if (count == levels.size()) return false;
    const void* const slash = std::memchr(at, '/', static_cast<size_t>(end - at));
    const char* const stop = slash != nullptr ? static_cast<const char*>(slash) : end;
    levels[count++] = {at, static_cast<size_t>(stop - at)};
    if (slash == nullptr) break;
    at = stop + 1;
  }
  const uint32_t route = trie_->Search(0, std::span(levels).first(count), 0);
  if (route == kNone) return false;
  const Route& found = trie_->routes[route];
  match.route = route;
  match.captures = found.count;
  for (uint32_t i = 0; i < found.count; ++i) {
    const Capture& capture = trie_->captures[found.first + i];
    std::string_view text = levels[capture.level];
    text.remove_prefix(capture.shape.prefix);
    text.remove_suffix(capture.shape.suffix);
    match.values[i] = text;
  }
  return true;
}

}  // namespace gemel::route
