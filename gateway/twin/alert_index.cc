#include "gateway/twin/alert_index.h"

#include <utility>

namespace gemel::twin {

void AlertIndex::Add(EffectId alert, AlertOwner owner) {
  const std::lock_guard lock(mutex_);
  owners_.insert_or_assign(alert, std::move(owner));
}

void AlertIndex::Remove(EffectId alert) {
  const std::lock_guard lock(mutex_);
  owners_.erase(alert);
}

std::optional<AlertOwner> AlertIndex::Find(EffectId alert) const {
  const std::lock_guard lock(mutex_);
  const auto found = owners_.find(alert);
  if (found == owners_.end()) return std::nullopt;
  return found->second;
}

size_t AlertIndex::size() const {
  const std::lock_guard lock(mutex_);
  return owners_.size();
}

}  // namespace gemel::twin
