#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/limits.h"
#include "gateway/base/symbols.h"
#include "gateway/codec/field_map.h"
#include "gateway/model/model.h"
#include "gateway/route/template.h"
#include "gateway/twin/feed.h"

namespace gemel::twin {

// Fills a new twin's profile fields in; does nothing for an id that the profile does not hold.
using ApplyProfile = std::function<void(std::string_view id, std::byte* state)>;

struct ModelEntry {
  std::unique_ptr<model::Model> model;
  ApplyProfile apply_profile;  // may be empty
  std::string plugin_hash;     // SHA-256, in hexadecimal; empty where nobody asks
};

// What to do with a message that is older than one already seen of the same twin and route.
enum class LatePolicy : uint8_t {
  kNewestWins,  // count it, then apply it field by field
  kDrop,        // count it
};

// A route as a shard needs it; topics were matched before.
struct Route {
  std::string name;
  uint16_t model = 0;
  route::Template telemetry;  // what the route subscribes to
  codec::FieldMap fields;
  bool has_field_in_topic = false;  // {field}: intake has named the field that the scalar fills
  LatePolicy late = LatePolicy::kNewestWins;
  std::optional<route::Template> command;             // where replies go
  bool is_answered = false;                           // devices say what has become of commands
  Duration command_retry{0};                          // zero: a command is sent once
  Duration command_timeout = std::chrono::hours(24);  // of one that never expires
  Duration offline_after{0};                          // of silence; zero: never
  std::optional<FeedWatch> feed_watch;                // see feed.h
  uint32_t repeat_window = 0;                         // 0: the route can't recognise a repeat
};

// What all shards share: constant while they run.
struct World {
  std::vector<ModelEntry> models;
  std::vector<Route> routes;
  Symbols* symbols = nullptr;
  std::optional<uint16_t> feed_model;  // where a route is watched
  std::string root = "gemel";          // of the topics that the gateway publishes
  uint64_t twins_max = UINT64_MAX;     // of one shard
  uint32_t timers_per_twin_max = kTimersPerTwinMaxDefault;
  // Interned like symbols, because a timer has no room for a text; theirs alone, so that devices
  // can't use them up.
  std::unique_ptr<Symbols> timer_names = std::make_unique<Symbols>(kSymbolsMax - 2);

  // The model that a route feeds.
  const ModelEntry& model_of(const Route& route) const { return models[route.model]; }
};

}  // namespace gemel::twin
