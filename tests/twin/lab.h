#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/twin/engine.h"
#include "tests/twin/probe.h"

namespace gemel::twin {

// An effect and what its views showed.
struct Kept {
  EffectId id;
  effects::EffectKind kind = effects::EffectKind::kCommand;
  bool is_retained = false;
  Duration lifetime{0};
  std::string topic;
  std::string payload;
  uint8_t severities = 0;
  uint64_t key_hash = 0;
};

// Keeps what is sent to it. Any thread.
class KeptSink final : public effects::Sink {
 public:
  void Append(const effects::Effect& effect) override;
  void Flush() noexcept override {}
  // What came since the last call, in order.
  std::vector<Kept> Take();

 private:
  std::mutex mutex_;
  std::vector<Kept> kept_;
};

// Routes of the probe model.
inline constexpr uint16_t kNewest = 0;  // lab/{region}/{line}/{id}, with a command topic
inline constexpr uint16_t kDropping = 1;
inline constexpr uint16_t kMute = 2;  // without a command topic
inline constexpr uint16_t kRoutes = 3;

// A world of probes. The twin "p1" has a profile, with limit 4.
class ProbeWorld {
 public:
  // `adapt` changes the world before anybody uses it.
  explicit ProbeWorld(const std::function<void(World&)>& adapt = {});
  // One more model of probes, with the route kRoutes. Its index.
  uint16_t AddModel(const std::string& name);
  const model::Model& model() const { return *world.models[0].model; }
  // Value of a field as JSON text.
  std::string Json(const std::byte* state, std::string_view field) const;

  Symbols symbols;
  World world;
};

// A record's bytes, for whoever applies it by itself.
std::vector<uint64_t> Encoded(const journal::Record& record);

// Time of the first record; each further one is a second later.
inline constexpr Time kStart{std::chrono::seconds{1'700'000'000}};

// One message to an engine. Event times are seconds since kStart.
struct Said {
  std::string_view id = "x";
  std::string_view json = "{}";
  std::optional<int> at;  // none: as the record
  uint16_t route = kNewest;
  std::string_view region = "north";  // "": the symbol table was full
  std::string_view line = "l1";
};

// An engine on the caller's thread that gets one record after the other.
class Lab {
 public:
  explicit Lab(const std::function<void(World&)>& adapt = {}) : probes(adapt) {}

  // Both return the record's LSN.
  Lsn Say(const Said& said);
  Lsn Delete(std::string_view id);
  Lsn Acknowledge(std::string_view id, EffectId alert, std::string_view by = "anna",
                  std::string_view comment = "seen",
                  std::optional<uint32_t> severity = std::nullopt);
  // Something is said of the twin's device; a payload that is nothing of the sort is refused.
  Lsn SetProfile(std::string_view id, const ProfileChange& change);
  Lsn SetProfile(std::string_view id, std::string_view payload,
                 std::span<const journal::RecordSymbol> symbols = {});
  // The twin's device answers a command.
  Lsn Answer(std::string_view id, EffectId command, bool is_successful = true,
             std::string_view reason = {});
  // Applies what twins have sent to each other, until nobody sends any more; how many that were.
  size_t Deliver();
  // Moves time on; timers that are due by then fire, each at its time. How many records that were.
  size_t Wait(Duration duration);
  // A timer's record, as a journal holds it.
  Lsn ApplyDue(const journal::OwnedRecord& due,
               journal::RecordKind kind = journal::RecordKind::kTimer);
  // The names of the twin's timers with when they are due, in seconds from now on.
  std::map<std::string, double> Timers(std::string_view id);

  Twin* Find(std::string_view id);
  // Value of a field as JSON text; "" if there is no such twin.
  std::string Field(std::string_view id, std::string_view field);
  std::vector<Kept> Take() { return sink.Take(); }
  const ModelStats& stats() const { return engine.stats(0); }
  uint64_t refused(Refusal reason) const {
    return engine.refused()[static_cast<size_t>(reason)].value();
  }
  Time now() const { return kStart + std::chrono::seconds(records) + waited; }

  ProbeWorld probes;
  KeptSink sink;
  Engine engine{probes.world, sink};
  Lsn NextLsn();

  int64_t records = 0;  // of messages: each takes a second
  int64_t fired = 0;
  Duration waited{0};
};

}  // namespace gemel::twin
