#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "gateway/base/limits.h"
#include "gateway/base/status.h"
#include "gateway/route/template.h"

namespace gemel::route {

// What a topic means: the route and its captures, in the order of the template's names(). Views
// into the topic.
struct Match {
  uint32_t route = 0;
  uint32_t captures = 0;
  std::array<std::string_view, kTopicLevelsMax> values;
};

// Maps topics to routes. Immutable after Build, so safe from any thread.
class Router {
 public:
  // Invalid if two templates match a common topic: names both and an example.
  static Result<Router> Build(std::span<const Template> templates);
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  // False if no route matches; that is the device's fault, not ours. Does not allocate; time
  // depends on the number of levels, not of routes. Topics that begin with '$' never match.
  bool Find(std::string_view topic, Match& match) const;

  struct Trie;

 private:
  explicit Router(std::unique_ptr<Trie> trie);
  std::unique_ptr<Trie> trie_;
};

}  // namespace gemel::route
