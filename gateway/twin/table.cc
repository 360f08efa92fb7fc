#include "gateway/twin/table.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "gateway/base/assert.h"

namespace gemel::twin {
namespace {

constexpr std::align_val_t kArenaAlign{64};

size_t SlotBytes(const model::Model& model) {
  return sizeof(Twin) + (model.state_size() + 15) / 16 * 16;
}

}  // namespace

Twin::Twin(uint64_t key_hash, std::string_view id)
    : key_hash_(key_hash), id_size_(static_cast<uint8_t>(id.size())) {
  GEMEL_ASSERT(!id.empty() && id.size() <= kIdBytesMax);
  if (id.size() > kIdBytesInline) id_.far = new char[id.size()];
  std::memcpy(id.size() > kIdBytesInline ? id_.far : id_.near, id.data(), id.size());
}

Twin::~Twin() {
  if (id_size_ > kIdBytesInline) delete[] id_.far;
}

Time& Twin::SeenBy(uint16_t route) {
  for (size_t i = 0; i < kRoutesInline; ++i) {
    if (routes_[i] == route) return seen_[i];
    if (routes_[i] == kNoRoute) {
      routes_[i] = route;
      return seen_[i];
    }
  }
  auto& seen = MakeSide().seen;
  const auto found = std::ranges::find(seen, route, &std::pair<uint16_t, Time>::first);
  if (found != seen.end()) return found->second;
  return seen.emplace_back(route, kNoTime).second;
}

void TwinTable::FreeArena::operator()(std::byte* bytes) const {
  ::operator delete(bytes, kArenaAlign);
}

TwinTable::TwinTable(const model::Model& model)
    : model_(model), slot_bytes_(SlotBytes(model)), index_(0, Hash{this}, Equal{this}) {}

TwinTable::~TwinTable() {
  for (size_t slot = 0; slot < slots_; ++slot) {
    if (is_used_[slot]) TwinAt(slot)->~Twin();
  }
}

Twin* TwinTable::Find(uint64_t key_hash, std::string_view id) {
  const auto found = index_.find(Key{key_hash, id});
  return found == index_.end() ? nullptr : TwinAt(*found);
}

Twin& TwinTable::Create(uint64_t key_hash, std::string_view id) {
  size_t slot = slots_;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    if (slots_ == chunks_.size() * kChunkSlots) AddChunk();
    ++slots_;
    is_used_.push_back(false);
  }
  Twin* twin = new (TwinAt(slot)) Twin(key_hash, id);
  model_.Construct(twin->state());
  is_used_[slot] = true;
  index_.insert(static_cast<uint32_t>(slot));
  return *twin;
}

void TwinTable::Delete(Twin& twin) {
  const auto found = index_.find(Key{twin.key_hash(), twin.id()});
  GEMEL_ASSERT(found != index_.end());
  const uint32_t slot = *found;
  index_.erase(found);
  twin.~Twin();
  is_used_[slot] = false;
  free_.push_back(slot);
}

Twin* TwinTable::At(size_t slot) { return is_used_[slot] ? TwinAt(slot) : nullptr; }

void TwinTable::AddChunk() {
  const size_t chunk_bytes = kChunkSlots * slot_bytes_;
  if (arena_used_ == arena_chunks_) {
    const size_t chunks_max = std::max<size_t>(1, kArenaBytesMax / chunk_bytes);
    // An eighth of what there is: the unused rest stays small beside the twins.
    arena_chunks_ = std::clamp<size_t>(chunks_.size() / 8, 1, chunks_max);
    arena_used_ = 0;
    arenas_.emplace_back(
        static_cast<std::byte*>(::operator new(arena_chunks_* chunk_bytes, kArenaAlign)));
  }
  chunks_.push_back(arenas_.back().get() + arena_used_++ * chunk_bytes);
}

}  // namespace gemel::twin
