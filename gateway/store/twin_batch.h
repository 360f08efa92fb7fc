#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"
#include "gateway/twin/engine.h"
#include "gateway/twin/table.h"

namespace gemel::store {

// A twin as it was when it was copied. Views into the batch.
struct CopiedTwin {
  uint32_t slot = 0;
  Lsn applied_lsn = kNoLsn;
  Time last_telemetry = kNoTime;
  std::string_view id;
  const std::byte* state = nullptr;  // 16-byte aligned
  std::string_view seen;             // JSON object: event times in microseconds by route name
  std::string_view alerts;           // JSON array of the active alerts
  std::string_view timers;           // JSON array of those that are armed
  std::string_view commands;         // JSON array of those that wait for an answer
  std::string_view told;             // JSON object of the profile fields that somebody has set
  std::span<const std::byte> repeats;
};

// Copies of twins in one piece of memory: what a shard hands to the store. One thread at a time.
class TwinBatch {
 public:
  // `bytes` are ready before a shard fills them: the kernel takes a while to find them.
  explicit TwinBatch(size_t bytes = 0) : lines_(bytes / sizeof(Line)) {}
  void Clear() { size_ = 0; }
  size_t bytes() const { return size_; }
  // A twin of the engine's.
  void Add(const twin::Twin& twin, size_t state_size, const twin::Engine& engine);
  // Calls visit(CopiedTwin) for each, in order. REQUIRES: all had this state size
  template <typename Visit>
  void ForEach(size_t state_size, const Visit& visit) const {
    for (size_t at = 0; at < size_;) visit(Read(state_size, at));
  }

 private:
  struct alignas(16) Line {
    std::byte bytes[16];
  };
  CopiedTwin Read(size_t state_size, size_t& at) const;
  std::byte* Grow(size_t bytes);

  std::vector<Line> lines_;  // aligned as a state wants it
  size_t size_ = 0;
  std::string seen_;
  std::string alerts_;
  std::string timers_;
  std::string commands_;
  std::string told_;
  std::vector<std::byte> repeats_;
};

}  // namespace gemel::store
