#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/journal/sequencer.h"
#include "gateway/twin/shard.h"

namespace gemel::twin {

// A copy of one twin, for people: what `gemel get` and the API show.
struct TwinCopy {
  std::string id;
  std::vector<std::byte> state;
  Lsn applied_lsn = kNoLsn;
  Time last_telemetry = kNoTime;
  std::vector<Alert> alerts;      // active ones first, then those that nobody has acknowledged
  std::vector<Command> commands;  // that wait for an answer, oldest first
  std::vector<Timer> timers;      // by their names
};

// All shards of the process.
class ShardSet {
 public:
  ShardSet(const World& world, effects::Sink& sink, uint32_t shards, size_t mailbox_bytes);

  // For the sequencer.
  std::vector<journal::ShardInbox> inboxes();
  void Start(journal::Sequencer& sequencer);
  // As Shard::SetOnSent, of all, on their threads, which are waited for; and Shard::GoLive.
  void SetOnSent(const Shard::OnSent& on_sent);
  void GoLive();
  // As Shard::SetTiming. When it ends, this waits until no timer fires any more.
  void SetTiming(bool is_timing);
  // As Engine::ListensSince, of all; returns before they know.
  void ListensSince(std::optional<Time> since);
  // REQUIRES: nothing is appended any more, and no timer fires.
  void DrainAndStop();

  // The following wait for shard threads: not for threads that messages wait for. They throw
  // nothing and return nothing after DrainAndStop.

  // Nothing if there is no such twin.
  std::optional<TwinCopy> Get(uint16_t model, std::string_view id);
  // Calls `visit` for every twin of a model, on the shard threads, possibly several at once.
  // Returns when all were visited. `visit` must be quick: messages wait for a slice of about 100
  // us.
  using Visit = std::function<void(uint32_t shard, Engine& engine, Twin& twin)>;
  void Scan(uint16_t model, const Visit& visit);

  // Any thread, waits for nobody. Whose alert this is, while it is active or not acknowledged;
  // nothing if there is none.
  std::optional<AlertOwner> FindAlert(EffectId alert) const;

  // As Shard::Ask.
  bool Ask(uint32_t shard, Shard::Slice slice) { return shards_[shard]->Ask(std::move(slice)); }
  // REQUIRES: not started
  Engine& engine(uint32_t shard) { return shards_[shard]->idle_engine(); }
  Shard& idle(uint32_t shard) { return *shards_[shard]; }

  size_t size() const { return shards_.size(); }
  const Shard& operator[](size_t index) const { return *shards_[index]; }
  // Twins of a model that were created and not deleted; exact when no message is on its way.
  uint64_t twins(size_t model) const;

 private:
  // Has each shard's own thread do this, and waits for all; those that have ended do not.
  void OnEach(const std::function<void(Shard& shard)>& act);

  const World& world_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<bool> is_timing_{false};
};

}  // namespace gemel::twin
