#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/limits.h"

namespace gemel {

// Log sequence number: the epoch (raised and synced at every start) in the high bits, then a
// counter. Used once and never again, ordered, below 2^63 so that SQLite holds it.
using Lsn = uint64_t;
inline constexpr Lsn kNoLsn = 0;
inline constexpr unsigned kLsnCounterBits = 44;  // 5 years at 100,000 records a second
inline constexpr uint64_t kEpochMax =
    (uint64_t{1} << (63 - kLsnCounterBits)) - 1;  // 524,287 starts

constexpr Lsn MakeLsn(uint64_t epoch, uint64_t counter) {
  return epoch << kLsnCounterBits | counter;
}

// What a model decided: the record that it was applying and the place among its effects.
struct EffectId {
  Lsn lsn = kNoLsn;
  uint32_t ordinal = 0;
  bool operator==(const EffectId&) const = default;
};

// "c-1a2b-0": the kind's letter, the LSN in hexadecimal, the ordinal in decimal.
std::string FormatEffectId(char kind, EffectId id);
// And back; nothing if the text is none of that kind.
std::optional<EffectId> ParseEffectId(char kind, std::string_view text);

// The hash of "model/id" (XXH3, 64 bits, seed 0). Its top six bits are the partition.
uint64_t HashKey(std::string_view model, std::string_view id) noexcept;
constexpr uint32_t PartitionOf(uint64_t key_hash) {
  static_assert(kPartitions == 64);
  return static_cast<uint32_t>(key_hash >> 58);
}

}  // namespace gemel
