#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "gateway/base/lsn.h"

namespace gemel::twin {

// Whose an alert is.
struct AlertOwner {
  uint16_t model = 0;
  uint64_t key_hash = 0;
  std::string id;
};

// Which twin of a shard an alert belongs to that is active or waits to be acknowledged. Follows
// from the twins and is no part of them. The shard writes, any thread reads: a lock, held for a
// step, because who takes an acknowledgement in must not wait for the shard, and because alerts
// come and go far less often than messages.
class AlertIndex {
 public:
  void Add(EffectId alert, AlertOwner owner);
  void Remove(EffectId alert);
  // Any thread.
  std::optional<AlertOwner> Find(EffectId alert) const;
  size_t size() const;

 private:
  struct Hash {
    size_t operator()(EffectId id) const {
      // Spreads neighbours (2^64 divided by the golden ratio).
      return (id.lsn ^ id.ordinal) * 0x9E3779B97F4A7C15;
    }
  };
  mutable std::mutex mutex_;
  std::unordered_map<EffectId, AlertOwner, Hash> owners_;
};

}  // namespace gemel::twin
