#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/table.h"

namespace gemel::twin {

// A timer that a twin has armed, as others see it.
struct Timer {
  Symbol name;        // in World::timer_names; kSilence where the gateway looks for silence
  Time due;           // whole milliseconds
  Duration every{0};  // zero: once
  EffectId cause;     // the record that armed it, and the place among what that record did

  static constexpr Symbol kSilence{};
  static constexpr Symbol kCommands{UINT16_MAX};  // the first command's time is over
  bool is_of_model() const { return name != kSilence && name != kCommands; }
  // Of the one that looks for silence, where the twin is a member of a feed: whether the feed knows
  // that it reports, or is asked whether the silence is the feed's. `every` says so, which such a
  // timer has no other use for, and the cause's lsn which feed it is.
  static constexpr Duration kReports{1};
  static constexpr Duration kAsks{2};
  bool is_of_feed() const { return name == kSilence && every != Duration::zero(); }
};

// All timers of the twins of one shard, on a hierarchical wheel: arming, cancelling and firing take
// the same time however many there are (Varghese, Lauck: Hashed and Hierarchical Timing Wheels,
// SOSP 1987). Seven wheels of 64 slots tell milliseconds apart over 139 years. 48 bytes a timer.
// One thread.
//
// A timer that is due is taken off the wheel, and stays armed until the record that says so has
// been applied: until then it may be cancelled or armed anew.
class Timers {
 public:
  using Handle = uint32_t;
  static constexpr Handle kNone = 0;

  // Of a model's twin. The name is none that the twin has; see Find.
  Handle Arm(Twin& twin, uint16_t model, const Timer& timer);
  // kNone if the twin has none of the name.
  Handle Find(const Twin& twin, Symbol name) const;
  Timer At(Handle timer) const;
  // Puts it where it will be due then, on the wheel if it was off it.
  void Rearm(Handle timer, Time due, EffectId cause);
  void Disarm(Twin& twin, Handle timer);
  // Of a twin that goes.
  void DisarmAll(Twin& twin);
  // Calls visit(Timer) for each of a twin, the last armed first.
  template <typename Visit>
  void ForEach(const Twin& twin, const Visit& visit) const {
    for (Handle at = twin.timers(); at != kNone; at = NodeAt(at).next_of_twin) visit(At(at));
  }

  // Nothing is due before that; nothing at all where it is empty.
  std::optional<Time> DueFrom() const;
  struct Due {
    Handle timer = kNone;
    uint16_t model = 0;
    uint32_t slot = 0;  // of the twin in its table
  };
  // Takes timers that are due by now off the wheel, those of the earliest millisecond first, in no
  // order within it; at most `most` of them, and looks at few more.
  void TakeDue(Time now, size_t most, std::vector<Due>& taken);

  size_t size() const { return size_; }
  size_t bytes() const { return chunks_.size() * kChunk * sizeof(Node); }

 private:
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlots = 1U << kSlotBits;
  static constexpr unsigned kLevels = 7;
  static constexpr int64_t kDueMax = (int64_t{1} << (kSlotBits * kLevels)) - 1;
  static constexpr uint16_t kOffWheel = kLevels * kSlots;
  static constexpr size_t kChunk = 1'024;

  struct Node {
    int64_t due_ms;
    int64_t every_us;
    uint64_t cause_lsn;
    Handle next;  // in its slot
    Handle previous;
    Handle next_of_twin;
    uint32_t slot;  // of the twin
    uint16_t model;
    uint16_t name;
    uint16_t place;  // level and slot of the wheel, or kOffWheel
    uint8_t cause_ordinal;
  };
  static_assert(sizeof(Node) == 48);

  Node& NodeAt(Handle handle) { return chunks_[handle / kChunk][handle % kChunk]; }
  const Node& NodeAt(Handle handle) const { return chunks_[handle / kChunk][handle % kChunk]; }
  Handle Take();
  void Link(Handle handle);
  void Unlink(Handle handle);
  void Free(Handle handle);
  // Which slot comes next, and when it begins.
  struct Slot {
    unsigned level = 0;
    unsigned index = 0;
    int64_t begin_ms = 0;
  };
  std::optional<Slot> NextSlot() const;

  std::vector<std::unique_ptr<Node[]>> chunks_;
  Handle used_ = 1;  // handles that were ever given, 0 included
  Handle free_ = kNone;
  size_t size_ = 0;
  int64_t elapsed_ms_ = 0;
  std::array<uint64_t, kLevels> occupied_{};  // a bit a slot
  std::array<Handle, kLevels * kSlots> first_{};
};

}  // namespace gemel::twin
