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
  if (!restored_.contains(key)) Hold(std::move(key), effect);
}

void Gate::Hold(Key key, const Effect& effect) {
  Held& held = held_[std::move(key)];
  if (held.messages.empty()) held.arrival = arrivals_++;
  held.messages.emplace_back(effect);
}

void Gate::Restore(const Effect& effect) {
  Key key{effect.id.lsn, effect.id.ordinal, std::string(effect.webhook)};
  const std::lock_guard lock(mutex_);
  restored_.insert(key);
  Hold(std::move(key), effect);
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
  if (held->second.messages.back().effect.has_more) done_.insert(key);
  held_.erase(held);
}

uint64_t Gate::Open(Time now) {
  const std::lock_guard lock(mutex_);
  // A command that is sent again comes before what the model has decided then, whatever their ids.
  std::vector<std::pair<Lsn, const Held*>> in_order;
  in_order.reserve(held_.size());
  for (const auto& [key, held] : held_) in_order.emplace_back(std::get<Lsn>(key), &held);
  std::ranges::sort(in_order, {},
                    [](const auto& one) { return std::pair(one.first, one.second->arrival); });
  for (const auto& [lsn, held] : in_order) {
    for (const OwnedEffect& message : held->messages) {
      Effect effect = message.view();
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
