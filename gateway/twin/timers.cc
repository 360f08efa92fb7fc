#include "gateway/twin/timers.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"

namespace gemel::twin {
namespace {

int64_t CeilMilliseconds(Time time) {
  return std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

static_assert(kEffectsPerRecordMax <= UINT8_MAX, "an ordinal fits a node");
static_assert(kSymbolsMax - 1 <= UINT16_MAX, "a name fits a node");

Timers::Handle Timers::Take() {
  if (free_ != kNone) {
    const Handle handle = free_;
    free_ = NodeAt(handle).next;
    return handle;
  }
  if (used_ % kChunk == 0 || chunks_.empty()) chunks_.push_back(std::make_unique<Node[]>(kChunk));
  return used_++;
}

void Timers::Free(Handle handle) {
  NodeAt(handle).next = free_;
  free_ = handle;
  --size_;
}

Timers::Handle Timers::Arm(Twin& twin, uint16_t model, const Timer& timer) {
  const Handle handle = Take();
  Node& node = NodeAt(handle);
  node = {.due_ms = 0,
          .every_us = timer.every.count(),
          .cause_lsn = 0,
          .next = kNone,
          .previous = kNone,
          .next_of_twin = twin.timers(),
          .slot = twin.slot(),
          .model = model,
          .name = static_cast<uint16_t>(timer.name.number),
          .place = kOffWheel,
          .cause_ordinal = 0};
  twin.set_timers(handle);
  ++size_;
  Rearm(handle, timer.due, timer.cause);
  return handle;
}

Timers::Handle Timers::Find(const Twin& twin, Symbol name) const {
  Handle at = twin.timers();
  while (at != kNone && NodeAt(at).name != name.number) at = NodeAt(at).next_of_twin;
  return at;
}

Timer Timers::At(Handle timer) const {
  const Node& node = NodeAt(timer);
  return {.name = Symbol{node.name},
          .due = Time{std::chrono::milliseconds(node.due_ms)},
          .every = Duration{node.every_us},
          .cause = {node.cause_lsn, node.cause_ordinal}};
}

void Timers::Rearm(Handle timer, Time due, EffectId cause) {
  Unlink(timer);
  Node& node = NodeAt(timer);
  node.due_ms = CeilMilliseconds(due);
  node.cause_lsn = cause.lsn;
  node.cause_ordinal = static_cast<uint8_t>(cause.ordinal);
  Link(timer);
}

void Timers::Disarm(Twin& twin, Handle timer) {
  const Handle next = NodeAt(timer).next_of_twin;
  Handle before = twin.timers();
  if (before == timer) {
    twin.set_timers(next);
  } else {
    while (NodeAt(before).next_of_twin != timer) before = NodeAt(before).next_of_twin;
    NodeAt(before).next_of_twin = next;
  }
  Unlink(timer);
  Free(timer);
}

void Timers::DisarmAll(Twin& twin) {
  while (twin.timers() != kNone) Disarm(twin, twin.timers());
}

void Timers::Link(Handle handle) {
  Node& node = NodeAt(handle);
  // What is due already is so at the next millisecond, because the wheel has passed its own.
  const int64_t due = std::clamp(node.due_ms, elapsed_ms_ + 1, kDueMax);
  // The highest bit in which it differs from now says how far away it is.
  const auto differing = static_cast<uint64_t>(due ^ elapsed_ms_) | (kSlots - 1);
  const auto level = static_cast<unsigned>(std::bit_width(differing) - 1) / kSlotBits;
  const auto index = static_cast<unsigned>(due >> (level * kSlotBits)) % kSlots;
  node.place = static_cast<uint16_t>(level * kSlots + index);
  node.previous = kNone;
  node.next = first_[node.place];
  if (node.next != kNone) NodeAt(node.next).previous = handle;
  first_[node.place] = handle;
  occupied_[level] |= uint64_t{1} << index;
}

void Timers::Unlink(Handle handle) {
  Node& node = NodeAt(handle);
  if (node.place == kOffWheel) return;
  if (node.next != kNone) NodeAt(node.next).previous = node.previous;
  if (node.previous != kNone) {
    NodeAt(node.previous).next = node.next;
  } else {
    first_[node.place] = node.next;
    if (node.next == kNone) occupied_[node.place / kSlots] &= ~(uint64_t{1} << node.place % kSlots);
  }
  node.place = kOffWheel;
}

std::optional<Timers::Slot> Timers::NextSlot() const {
  // No slot lies behind the present one of its level: what is that far away differs from now in a
  // higher bit.
  std::optional<Slot> next;
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const auto index = static_cast<unsigned>(std::countr_zero(occupied_[level]));
    const unsigned shift = level * kSlotBits;
    const int64_t round = elapsed_ms_ >> (shift + kSlotBits) << (shift + kSlotBits);
    const int64_t begin = round + (int64_t{index} << shift);
    // Of two that begin together the coarser one may hold what is due then, too.
    if (!next || begin <= next->begin_ms) next = Slot{level, index, begin};
  }
  return next;
}

std::optional<Time> Timers::DueFrom() const {
  const auto slot = NextSlot();
  if (!slot) return std::nullopt;
  return Time{std::chrono::milliseconds(slot->begin_ms)};
}

void Timers::TakeDue(Time now, size_t most, std::vector<Due>& taken) {
  const int64_t now_ms =
      std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count();
  // Slots of higher levels are only spread over lower ones, which costs as much as taking.
  for (size_t looked = 0; looked < 4 * most && taken.size() < most;) {
    const auto slot = NextSlot();
    if (!slot || slot->begin_ms > now_ms) {
      elapsed_ms_ = std::max(elapsed_ms_, now_ms);
      return;
    }
    elapsed_ms_ = std::max(elapsed_ms_, slot->begin_ms);
    const auto place = static_cast<uint16_t>(slot->level * kSlots + slot->index);
    for (; first_[place] != kNone && looked < 4 * most && taken.size() < most; ++looked) {
      const Handle timer = first_[place];
      Unlink(timer);
      const Node& node = NodeAt(timer);
      if (slot->level > 0 && node.due_ms > slot->begin_ms) {
        Link(timer);
        GEMEL_ASSERT(node.place < place);
      } else {
        taken.push_back({timer, node.model, node.slot});
      }
    }
  }
}

}  // namespace gemel::twin
