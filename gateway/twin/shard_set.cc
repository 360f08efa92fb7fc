#include "gateway/twin/shard_set.h"

#include <algorithm>
#include <chrono>
#include <latch>

namespace gemel::twin {
namespace {

constexpr std::chrono::microseconds kSliceMax{100};
// Twins between two looks at the clock.
constexpr size_t kScanStride = 16;

TwinCopy Copy(const Twin& twin, const Engine& engine, size_t state_size) {
  TwinCopy copy{.id = std::string(twin.id()),
                .state = {twin.state(), twin.state() + state_size},
                .applied_lsn = twin.applied_lsn,
                .last_telemetry = twin.last_telemetry,
                .alerts = {},
                .commands = {},
                .timers = {}};
  if (const Side* const side = twin.side(); side != nullptr) {
    copy.commands = side->commands;
    copy.alerts = side->alerts;
    copy.alerts.insert(copy.alerts.end(), side->cleared.begin(), side->cleared.end());
  }
  engine.timers().ForEach(twin, [&](const Timer& timer) {
    if (timer.is_of_model()) copy.timers.push_back(timer);
  });
  std::ranges::sort(copy.timers, {}, [&](const Timer& timer) {
    return engine.world().timer_names->TextOf(timer.name);
  });
  return copy;
}

}  // namespace

ShardSet::ShardSet(const World& world, effects::Sink& sink, uint32_t shards, size_t mailbox_bytes)
    : world_(world) {
  for (uint32_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(i, world, sink, mailbox_bytes));
  }
}

std::vector<journal::ShardInbox> ShardSet::inboxes() {
  std::vector<journal::ShardInbox> inboxes;
  for (const auto& shard : shards_) inboxes.push_back(shard->inbox());
  return inboxes;
}

void ShardSet::Start(journal::Sequencer& sequencer) {
  for (const auto& shard : shards_) shard->Start(sequencer);
}

void ShardSet::OnEach(const std::function<void(Shard& shard)>& act) {
  std::latch done(static_cast<std::ptrdiff_t>(shards_.size()));
  for (const auto& shard : shards_) {
    const bool is_asked = shard->Ask([&](Engine&) {
      act(*shard);
      done.count_down();
      return true;
    });
    if (!is_asked) done.count_down();
  }
  done.wait();
}

void ShardSet::SetOnSent(const Shard::OnSent& on_sent) {
  OnEach([&](Shard& shard) { shard.SetOnSent(on_sent); });
}

void ShardSet::GoLive() {
  for (const auto& shard : shards_) shard->GoLive();
}

void ShardSet::SetTiming(bool is_timing) {
  for (const auto& shard : shards_) shard->SetTiming(is_timing);
  // A timer may be on its way into the journal. Only shards that run have been timing.
  if (is_timing_.exchange(is_timing) && !is_timing) OnEach([](Shard&) {});
}

void ShardSet::ListensSince(std::optional<Time> since) {
  for (const auto& shard : shards_) {
    shard->Ask([since](Engine& engine) {
      engine.ListensSince(since);
      return true;
    });
  }
}

void ShardSet::DrainAndStop() {
  for (const auto& shard : shards_) shard->DrainAndStop();
}

std::optional<TwinCopy> ShardSet::Get(uint16_t model, std::string_view id) {
  if (id.empty() || id.size() > kIdBytesMax) return std::nullopt;
  const uint64_t hash = HashKey(world_.models[model].model->name(), id);
  std::optional<TwinCopy> copy;
  std::latch done(1);
  const bool is_asked = shards_[PartitionOf(hash) % shards_.size()]->Ask([&](Engine& engine) {
    if (const Twin* twin = engine.table(model).Find(hash, id)) {
      copy = Copy(*twin, engine, world_.models[model].model->state_size());
    }
    done.count_down();
    return true;
  });
  if (is_asked) done.wait();
  return copy;
}

std::optional<AlertOwner> ShardSet::FindAlert(EffectId alert) const {
  for (const auto& shard : shards_) {
    if (auto owner = shard->engine().open_alerts().Find(alert)) return owner;
  }
  return std::nullopt;
}

void ShardSet::Scan(uint16_t model, const Visit& visit) {
  std::latch done(static_cast<std::ptrdiff_t>(shards_.size()));
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const bool is_asked = shards_[shard]->Ask([&, shard, slot = size_t{0}](Engine& engine) mutable {
      TwinTable& table = engine.table(model);
      const auto end = std::chrono::steady_clock::now() + kSliceMax;
      while (slot < table.slots()) {
        if (Twin* twin = table.At(slot)) visit(shard, engine, *twin);
        if (++slot % kScanStride == 0 && std::chrono::steady_clock::now() > end) return false;
      }
      done.count_down();
      return true;
    });
    if (!is_asked) done.count_down();
  }
  done.wait();
}

uint64_t ShardSet::twins(size_t model) const {
  uint64_t twins = 0;
  for (const auto& shard : shards_) {
    const ModelStats& stats = shard->engine().stats(model);
    twins += stats.twins_created.value() - stats.twins_deleted.value();
  }
  return twins;
}

}  // namespace gemel::twin
