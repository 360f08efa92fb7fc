#include "gateway/twin/table.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <new>

#include "gateway/base/assert.h"

namespace gemel::twin {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kCacheLine = 64;
// A call copies the whole state; of a large one the processor's own prefetcher brings the rest.
constexpr size_t kPrefetchBytesMax = 1'024;

size_t SlotBytes(const model::Model& model) {
  const size_t align = std::max<size_t>(alignof(Twin), model.state_align());
  return (sizeof(Twin) + model.state_size() + align - 1) / align * align;
}

// Memory of one huge page, aligned to it; nullptr if there is none.
void* MapHugePage() {
  constexpr size_t kTwice = 2 * kHugePageBytes;
  void* mapped =
      ::mmap(nullptr, kTwice, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(mapped);
  const size_t before = kHugePageBytes - reinterpret_cast<uintptr_t>(mapped) % kHugePageBytes;
  if (before < kHugePageBytes) ::munmap(begin, before);
  std::byte* const page = begin + before % kHugePageBytes;
  ::munmap(page + kHugePageBytes, static_cast<size_t>(begin + kTwice - (page + kHugePageBytes)));
  ::madvise(page, kHugePageBytes, MADV_HUGEPAGE);
  return page;
}

}  // namespace

Twin::Twin(uint64_t key_hash, std::string_view id, uint32_t slot)
    : key_hash_(key_hash), slot_(slot & 0xFFFFFF), id_size_(id.size() & 0xFF) {
  static_assert(kIdBytesMax <= 0xFF && TwinTable::kSlotsMax == 0x1000000, "its bits");
  GEMEL_ASSERT(!id.empty() && id.size() <= kIdBytesMax);
  if (id.size() > kIdBytesInline) id_.far = new char[id.size()];
  std::memcpy(id.size() > kIdBytesInline ? id_.far : id_.near, id.data(), id.size());
}

Twin::~Twin() {
  delete side();
  if (id_size_ > kIdBytesInline) delete[] id_.far;
}

Side& Twin::MakeSide() {
  if (!has_side()) {
    auto side = std::make_unique<Side>();
    side->timers = timers();
    side_ = reinterpret_cast<uintptr_t>(side.release());
  }
  return *side();
}

void Twin::set_timers(uint32_t first) {
  if (has_side()) {
    side()->timers = first;
  } else {
    side_ = first == 0 ? 0 : uintptr_t{first} << 1 | 1;
  }
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

void TwinTable::FreeArena::operator()(std::byte* memory) const {
  if (is_huge) {
    ::munmap(memory, kHugePageBytes);
  } else {
    std::free(memory);
  }
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

void TwinTable::PrefetchTwin(uint64_t key_hash) const {
  const auto found = index_.find(Guess{key_hash});
  if (found == index_.end()) return;
  const char* line = reinterpret_cast<const char*>(TwinAt(*found));
  const char* const end = line + std::min(slot_bytes_, kPrefetchBytesMax);
  for (; line < end; line += kCacheLine) __builtin_prefetch(line, 1);
}

Twin& TwinTable::Create(uint64_t key_hash, std::string_view id) {
  size_t slot = slots_;
  if (!free_.empty()) {
    slot = free_.back();
    free_.pop_back();
  } else {
    if (slots_ == chunks_.size() * kChunkSlots) AddChunk();
    GEMEL_ASSERT(slots_ < kSlotsMax);
    ++slots_;
    is_used_.push_back(false);
    if (slot / kDirtyBits == dirty_.size()) dirty_.push_back(0);
  }
  Twin* twin = new (TwinAt(slot)) Twin(key_hash, id, static_cast<uint32_t>(slot));
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
  dirty_[slot / kDirtyBits] &= ~(uint64_t{1} << slot % kDirtyBits);
  free_.push_back(slot);
}

void TwinTable::MarkAllDirty() {
  for (size_t slot = 0; slot < slots_; ++slot) {
    if (is_used_[slot]) MarkDirty(*TwinAt(slot));
  }
}

size_t TwinTable::TakeDirty(size_t from) {
  for (size_t word = from / kDirtyBits; word < dirty_.size(); ++word) {
    uint64_t bits = dirty_[word];
    if (word == from / kDirtyBits) bits &= ~uint64_t{0} << from % kDirtyBits;
    if (bits == 0) continue;
    const auto bit = static_cast<size_t>(std::countr_zero(bits));
    dirty_[word] &= ~(uint64_t{1} << bit);
    return word * kDirtyBits + bit;
  }
  return slots_;
}

Twin* TwinTable::At(size_t slot) { return is_used_[slot] ? TwinAt(slot) : nullptr; }

size_t TwinTable::mapped_bytes() const {
  size_t bytes = 0;
  for (const auto& arena : arenas_) bytes += arena.get_deleter().is_huge ? kHugePageBytes : 0;
  return bytes;
}

// Twins are met in no order, so once there are many, most of the time of finding one would go into
// page tables: then each arena is one huge page. Before that, arenas grow by an eighth of what
// there is, so that the unused rest stays small beside the twins.
void TwinTable::AddArena() {
  const size_t chunk_bytes = kChunkSlots * slot_bytes_;
  const size_t wanted = std::max<size_t>(1, chunks_.size() / 8) * chunk_bytes;
  const bool is_huge = wanted >= kHugePageBytes && chunk_bytes <= kHugePageBytes / 8;
  const size_t bytes = is_huge ? kHugePageBytes : wanted;
  void* memory = is_huge ? MapHugePage() : std::aligned_alloc(kCacheLine, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  arenas_.emplace_back(static_cast<std::byte*>(memory), FreeArena{is_huge});
  arena_chunks_ = bytes / chunk_bytes;
  arena_used_ = 0;
}

void TwinTable::AddChunk() {
  if (arena_used_ == arena_chunks_) AddArena();
  chunks_.push_back(arenas_.back().get() + arena_used_++ * kChunkSlots * slot_bytes_);
}

}  // namespace gemel::twin
