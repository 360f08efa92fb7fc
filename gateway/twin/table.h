#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include "gateway/base/limits.h"
#include "gateway/base/lsn.h"
#include "gateway/model/model.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/side.h"

namespace gemel::twin {

// The fixed part of a twin; its state follows it in memory. Owned by one shard thread.
class Twin {
 public:
  Twin(uint64_t key_hash, std::string_view id, uint32_t slot);
  ~Twin();
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;

  uint64_t key_hash() const { return key_hash_; }
  std::string_view id() const { return {id_size_ > kIdBytesInline ? id_.far : id_.near, id_size_}; }
  uint32_t slot() const { return slot_; }  // in its table
  std::byte* state() { return reinterpret_cast<std::byte*>(this + 1); }
  const std::byte* state() const { return reinterpret_cast<const std::byte*>(this + 1); }

  // Highest event time seen by a route; the reference lives as long as the twin gets no other
  // route.
  Time& SeenBy(uint16_t route);

  // Calls visit(route, time) for each route that the twin has heard of.
  template <typename Visit>
  void ForEachSeen(const Visit& visit) const {
    for (size_t i = 0; i < kRoutesInline; ++i) {
      if (routes_[i] != kNoRoute) visit(routes_[i], seen_[i]);
    }
    if (!has_side()) return;
    for (const auto& [route, time] : side()->seen) visit(route, time);
  }

  Side* side() { return has_side() ? reinterpret_cast<Side*>(side_) : nullptr; }
  const Side* side() const { return has_side() ? reinterpret_cast<const Side*>(side_) : nullptr; }
  Side& MakeSide();

  // The first of a list that belongs to Timers.
  uint32_t timers() const {
    return has_side() ? side()->timers : static_cast<uint32_t>(side_ >> 1);
  }
  void set_timers(uint32_t first);

  Lsn applied_lsn = kNoLsn;
  Time last_telemetry = kNoTime;  // record time

 private:
  bool has_side() const { return side_ != 0 && side_ % 2 == 0; }

  // Two routes fit into the header; a model that more of them feed keeps the rest aside.
  static constexpr size_t kRoutesInline = 2;
  static constexpr uint16_t kNoRoute = UINT16_MAX;

  uint64_t key_hash_;
  // Where the Side lies; without one the timers, shifted left, and a one, or zero without those.
  // So a twin that has nothing but timers has no Side.
  uintptr_t side_ = 0;
  Time seen_[kRoutesInline] = {kNoTime, kNoTime};
  uint16_t routes_[kRoutesInline] = {kNoRoute, kNoRoute};
  uint32_t slot_ : 24;  // so that the header keeps its size
  uint32_t id_size_ : 8;
  union {
    char near[kIdBytesInline];
    char* far;
  } id_;
};
static_assert(sizeof(Twin) == 80, "a state of the largest alignment, 16, follows it");

// All twins of one model in one shard. Slots never move and are reused after a deletion. A twin
// that has changed is *dirty* until somebody has saved it. One thread.
class TwinTable {
 public:
  static constexpr size_t kSlotsMax = size_t{1} << 24;

  explicit TwinTable(const model::Model& model);
  ~TwinTable();
  TwinTable(const TwinTable&) = delete;
  TwinTable& operator=(const TwinTable&) = delete;

  // nullptr if there is no such twin.
  Twin* Find(uint64_t key_hash, std::string_view id);
  // A new twin in its model's default state. REQUIRES: Find found none.
  Twin& Create(uint64_t key_hash, std::string_view id);
  void Delete(Twin& twin);
  // A twin that a record has deleted, for whoever has saved it.
  struct Deleted {
    uint32_t slot = 0;
    uint64_t key_hash = 0;
    Lsn lsn = kNoLsn;
  };
  void NoteDeletion(const Twin& twin, Lsn lsn) {
    deleted_.push_back({twin.slot(), twin.key_hash(), lsn});
  }
  bool has_deleted() const { return !deleted_.empty(); }
  // Those since the last call.
  std::vector<Deleted> TakeDeleted() { return std::exchange(deleted_, {}); }
  // Two hints to the processor that a twin will be looked for soon, a few records apart: first its
  // place in the index is fetched, then the twin that the index most likely means.
  void PrefetchIndex(uint64_t key_hash) const { index_.prefetch(Guess{key_hash}); }
  void PrefetchTwin(uint64_t key_hash) const;

  void MarkDirty(const Twin& twin) {
    dirty_[twin.slot() / kDirtyBits] |= uint64_t{1} << twin.slot() % kDirtyBits;
  }
  void MarkAllDirty();
  // The first dirty slot from this one on, which is dirty no more; slots() if there is none.
  size_t TakeDirty(size_t from);

  size_t size() const { return index_.size(); }
  // Slots, with gaps where twins were deleted: what a scan walks.
  size_t slots() const { return slots_; }
  // nullptr for a gap.
  Twin* At(size_t slot);
  // Memory in huge pages, which malloc's own figures don't hold.
  size_t mapped_bytes() const;

 private:
  static constexpr size_t kChunkSlots = 64;
  static constexpr size_t kDirtyBits = 64;
  struct Key {
    uint64_t hash;
    std::string_view id;
  };
  // Found by the few bits of the hash that the index itself holds: right almost always, and without
  // touching the twin.
  struct Guess {
    uint64_t hash;
  };
  struct Hash {
    using is_transparent = void;
    const TwinTable* table;
    size_t operator()(uint32_t slot) const { return table->TwinAt(slot)->key_hash(); }
    size_t operator()(const Key& key) const { return key.hash; }
    size_t operator()(const Guess& guess) const { return guess.hash; }
  };
  struct Equal {
    using is_transparent = void;
    const TwinTable* table;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t slot, const Key& key) const {
      const Twin* twin = table->TwinAt(slot);
      return twin->key_hash() == key.hash && twin->id() == key.id;
    }
    bool operator()(const Key& key, uint32_t slot) const { return (*this)(slot, key); }
    bool operator()(uint32_t, const Guess&) const { return true; }
  };
  struct FreeArena {
    bool is_huge = false;
    void operator()(std::byte* memory) const;
  };

  Twin* TwinAt(size_t slot) const {
    return reinterpret_cast<Twin*>(chunks_[slot / kChunkSlots] + slot % kChunkSlots * slot_bytes_);
  }
  void AddArena();
  void AddChunk();

  const model::Model& model_;
  const size_t slot_bytes_;
  std::vector<std::unique_ptr<std::byte, FreeArena>>
      arenas_;               // grow, so that few twins cost little
  size_t arena_chunks_ = 0;  // of the newest arena
  size_t arena_used_ = 0;
  std::vector<std::byte*> chunks_;
  std::vector<bool> is_used_;
  std::vector<uint64_t> dirty_;  // a bit a slot
  std::vector<Deleted> deleted_;
  std::vector<uint32_t> free_;
  size_t slots_ = 0;
  absl::flat_hash_set<uint32_t, Hash, Equal> index_;
};

}  // namespace gemel::twin
