#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/journal/sequencer.h"
#include "gateway/playback/collector.h"
#include "gateway/store/recovery.h"
#include "gateway/store/store.h"
#include "gateway/twin/shard_set.h"

namespace gemel::playback {

// A part of a journal to fold again.
struct FoldSource {
  std::filesystem::path base;     // a database; empty: from the journal's beginning
  std::filesystem::path journal;  // a folder of segments
  Lsn until = UINT64_MAX;         // the last record to apply
  // Which records are applied; empty for all.
  std::function<bool(const journal::RecordView& record)> wants;
};

// Twins without a broker: made from a saved base and the records after it, by the code that made
// them first, as fast as it goes. Whatever the number of shards, twins and effects are the same.
class Fold {
 public:
  // The world outlives the fold, and must hold every model and route that the records name.
  Fold(const twin::World& world, uint32_t shards);
  ~Fold();
  Fold(const Fold&) = delete;
  Fold& operator=(const Fold&) = delete;

  // Neither base nor journal is written to. NotFound if the base is missing; Damaged or Invalid as
  // store::Store and store::Recover say it. REQUIRES: called once
  Result<store::Recovered> Run(const FoldSource& source);

  // The base alone. REQUIRES: called once, instead of Run
  Status RunBase(const std::filesystem::path& base);

  // For who has no journal: records that are put in here are applied on the caller's thread, and
  // time is virtual, until Finish. REQUIRES: called once, instead of Run
  void Start();
  journal::Sequencer& sequencer() { return sequencer_; }
  // Applies what was put in, then moves the clock there, if that is forward. Before that, what is
  // due earlier has its turn, each at its own time. At a moment what comes from outside comes
  // first, then timers, then messages between twins, in rounds.
  void AdvanceTo(Time time);
  // The twin that the last record was about.
  struct Changed {
    uint16_t model = 0;
    const twin::Twin* twin = nullptr;
  };
  // Applies what was put in. Nothing if its last record has changed no twin, or if nothing was put
  // in since the last call. REQUIRES: between Start and Finish, one shard, no store
  std::optional<Changed> ApplyLast();
  // As AdvanceTo for what is due by now, and the end of virtual time: nothing more can be put in.
  void Finish();

  // A line for each twin, as AppendTwinLine writes it: by the models' names, then by id.
  std::vector<std::string> TwinLines();
  std::vector<EffectLine> TakeEffects() { return collector_.Take(); }
  uint64_t twins() const;
  const Clock& clock() const { return clock_; }
  Collector& collector() { return collector_; }

 private:
  Result<store::Restored> RestoreBase(const std::filesystem::path& base);
  void FireUntil(Time last);
  void ApplyAll();
  // When something may be due, on whatever shard.
  std::optional<Time> DueFrom();
  std::vector<journal::OwnedRecord> TakeDue(Time now);
  // In one order, whatever shards they are of.
  void AppendAll(std::vector<journal::OwnedRecord> records);

  const twin::World& world_;
  ManualClock clock_;
  Collector collector_;
  twin::ShardSet shards_;
  journal::Sequencer sequencer_;
  store::RecoveryProgress progress_;
  std::vector<journal::OwnedRecord> sent_;  // by twins, and not appended yet
  Lsn told_ = kNoLsn;                       // of the last ApplyLast
};

}  // namespace gemel::playback
