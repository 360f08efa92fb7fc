#include "gateway/effects/gate.h"

#include <algorithm>
#include <utility>

namespace gemel::effects {

void Gate::Append(const Effect& effect) {
  // A change that the history has already is the same row once more, so there is none to hold back.
  if (is_open_.load(std::memory_order_acquire) || effect.webhook == kHistorySink) {
    to_.Append(effect);
    return;
  }
  if (effect.kind == EffectKind::kDeadLetter) return;
  Key key{effect.id.lsn, effect.id.ordinal, std::string(effect.webhook)};
  const std::lock_guard lock(mutex_);
  if (const auto done = done_.find(key); done != done_.end()) {
    if (!effect.has_more) done_.erase(done);
    return;
  }
  if (!restored_.contains(key)) held_[std::move(key)].emplace_back(effect);
}

void Gate::Restore(const Effect& effect) {
  Key key{effect.id.lsn, effect.id.ordinal, std::string(effect.webhook)};
  const std::lock_guard lock(mutex_);
  restored_.insert(key);
  held_[std::move(key)].emplace_back(effect);
}

void Gate::MarkDone(EffectId id, std::string_view webhook) {
  const Key key{id.lsn, id.ordinal, std::string(webhook)};
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(key);
  if (held == held_.end()) {
    done_.insert(key);
    return;
  }
  // Of an effect of two messages the second one may still come.
  if (held->second.back().effect.has_more) done_.insert(key);
  held_.erase(held);
}

uint64_t Gate::Open(Time now) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, messages] : held_) {
    for (const OwnedEffect& held : messages) {
      Effect effect = held.view();
      if (effect.lifetime > Duration::zero()) {
        effect.lifetime = std::max(effect.lifetime - (now - effect.decided), Duration{1});
        effect.decided = now;  // from when that is left: it may be saved and restored once more
      }
      to_.Append(effect);
    }
  }
  const uint64_t effects = held_.size();
  held_.clear();
  restored_.clear();
  done_.clear();
  is_open_.store(true, std::memory_order_release);
  to_.Flush();
  return effects;
}

}  // namespace gemel::effects
