#include "gateway/route/router.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
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

// Half a cache line, and those of one route lie side by side: a thousand routes don't fit into the
// nearest cache, so what counts is how many lines a search touches.
struct Node {
  uint32_t any = kNone;         // the child for a level of any text
  uint32_t rest = kNone;        // the route whose "#" stands here
  uint32_t route = kNone;       // the route that ends here
  uint32_t only_child = kNone;  // the literal child, where there is just one
  uint32_t only_text = 0;       // its text, in the arena
  uint16_t only_size = 0;
  uint16_t literals = 0;  // children to look up; 0 where only_child has it
  uint32_t first_shape = 0;
  uint32_t shapes = 0;
};
static_assert(sizeof(Node) == 32);

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
  std::vector<Node> nodes;
  std::vector<Slot> slots;  // open addressing, at most half full, a power of two
  std::vector<Shape> shapes;
  std::string arena;
  std::vector<Capture> captures;
  std::vector<Route> routes;

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

  // The route of the levels from `level` on, below `index`. A literal that leads nowhere is no
  // reason to give up: "a/{x}/b" and "a/c/d" are two routes, and "a/c/b" is of the first.
  uint32_t Search(uint32_t index, std::span<const std::string_view> levels, size_t level) const {
    const Node& node = nodes[index];
    if (level == levels.size()) return node.route != kNone ? node.route : node.rest;
    const std::string_view text = levels[level];
    uint32_t child = kNone;
    if (node.literals > 0) {
      child = Child({index, kLiteral, text, {}});
    } else if (text == std::string_view(arena.data() + node.only_text, node.only_size)) {
      child = node.only_child;
    }
    if (const uint32_t route = Below(child, levels, level); route != kNone) return route;
    for (const Shape& shape : std::span(shapes).subspan(node.first_shape, node.shapes)) {
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

namespace {

// Grows a trie route by route, then packs it.
class Builder {
 public:
  explicit Builder(Router::Trie& trie) : trie_(trie) { NewNode(); }

  void Add(const Template& topic, uint32_t route) {
    trie_.routes.push_back({.first = static_cast<uint32_t>(trie_.captures.size())});
    uint32_t node = 0;
    uint16_t number = 0;
    for (const Template::Level& level : topic.levels()) {
      if (level.kind == Kind::kRest) {
        trie_.nodes[node].rest = route;
        return;
      }
      node = Descend(node, level);
      if (level.kind == Kind::kCapture) {
        trie_.captures.push_back({number, ShapeOf(level)});
        ++trie_.routes.back().count;
      }
      ++number;
    }
    trie_.nodes[node].route = route;
  }

  void Pack() {
    for (const auto& [place, child] : children_) {
      if (place.prefix == kLiteral) ++trie_.nodes[place.parent].literals;
    }
    trie_.slots.resize(std::bit_ceil(2 * children_.size() + 2));
    for (const auto& [place, child] : children_) PackChild(place, child);
    for (size_t i = 0; i < trie_.nodes.size(); ++i) {
      Node& node = trie_.nodes[i];
      if (node.only_child != kNone) node.literals = 0;
      node.first_shape = static_cast<uint32_t>(trie_.shapes.size());
      node.shapes = static_cast<uint32_t>(shapes_[i].size());
      trie_.shapes.insert(trie_.shapes.end(), shapes_[i].begin(), shapes_[i].end());
    }
  }

 private:
  struct Place {
    uint32_t parent;
    uint16_t prefix;  // kLiteral or the shape's
    std::string text;
    bool operator<(const Place& other) const {
      return std::tie(parent, prefix, text) < std::tie(other.parent, other.prefix, other.text);
    }
  };

  static Shape ShapeOf(const Template::Level& level) {
    return {static_cast<uint16_t>(level.prefix.size()), static_cast<uint16_t>(level.suffix.size())};
  }

  uint32_t NewNode() {
    trie_.nodes.emplace_back();
    shapes_.emplace_back();
    return static_cast<uint32_t>(trie_.nodes.size() - 1);
  }

  uint32_t Descend(uint32_t node, const Template::Level& level) {
    const Shape shape = ShapeOf(level);
    if (level.kind != Kind::kLiteral && shape == Shape{}) {
      if (trie_.nodes[node].any == kNone) {
        const uint32_t child = NewNode();
        trie_.nodes[node].any = child;
      }
      return trie_.nodes[node].any;
    }
    Place place{node, kLiteral, level.prefix};
    if (level.kind != Kind::kLiteral) {
      place.prefix = shape.prefix;
      place.text += level.suffix;
      std::vector<Shape>& known = shapes_[node];
      if (std::ranges::find(known, shape) == known.end()) known.push_back(shape);
    }
    const auto [child, is_new] = children_.try_emplace(std::move(place), kNone);
    if (is_new) child->second = NewNode();
    return child->second;
  }

  void PackChild(const Place& place, uint32_t child) {
    Node& parent = trie_.nodes[place.parent];
    const uint32_t text = Text(place.text);
    const auto size = static_cast<uint16_t>(place.text.size());
    if (place.prefix == kLiteral && parent.literals == 1) {
      parent.only_child = child;
      parent.only_text = text;
      parent.only_size = size;
      return;
    }
    const bool is_literal = place.prefix == kLiteral;
    const std::string_view whole = place.text;
    const size_t split = is_literal ? whole.size() : place.prefix;
    const Key key{place.parent, place.prefix, whole.substr(0, split), whole.substr(split)};
    const size_t mask = trie_.slots.size() - 1;
    size_t i = key.Hash() & mask;
    while (trie_.slots[i].child != kNone) i = (i + 1) & mask;
    trie_.slots[i] = {.hash = key.Hash(),
                      .child = child,
                      .parent = place.parent,
                      .text = text,
                      .size = size,
                      .prefix = place.prefix};
  }

  // Equal texts are stored once, which also keeps them near: "telemetry" ends most topics.
  uint32_t Text(const std::string& text) {
    const auto [known, is_new] =
        texts_.try_emplace(text, static_cast<uint32_t>(trie_.arena.size()));
    if (is_new) trie_.arena += text;
    return known->second;
  }

  Router::Trie& trie_;
  std::map<Place, uint32_t> children_;
  std::map<std::string, uint32_t> texts_;
  std::vector<std::vector<Shape>> shapes_;  // one a node
};

}  // namespace

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
  Builder builder(*trie);
  for (size_t i = 0; i < templates.size(); ++i) builder.Add(templates[i], static_cast<uint32_t>(i));
  builder.Pack();
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
