#include "gateway/effects/sinks.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/quote.h"

namespace gemel::effects {

void Sinks::Append(const Effect& effect) {
  if (effect.webhook.empty()) {
    broker_.Append(effect);
    return;
  }
  if (effect.webhook == kHistorySink) {
    if (history_ == nullptr) return;
    if (effect.kind == EffectKind::kCommandChange) {
      history_->AppendCommand(effect.id, effect.payload);
    } else {
      history_->Append(effect.id, AlertChangeName(effect.change), effect.payload);
    }
    return;
  }
  WebhookOutbox* const outbox = webhooks_.Find(effect.webhook);
  const auto since = since_.find(effect.webhook);
  if (outbox == nullptr || (since != since_.end() && effect.id.lsn < since->second)) {
    const std::lock_guard lock(mutex_);
    ++dropped_[std::string(effect.webhook)];
    return;
  }
  outbox->Append(effect);
  webhooks_.NoteNews();
}

void Sinks::Flush() noexcept {
  broker_.Flush();
  webhooks_.Flush();
}

std::map<std::string, uint64_t, std::less<>> Sinks::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

bool Sinks::is_over() const {
  return broker_.is_over() || std::ranges::any_of(webhooks_.outboxes(), [](const auto& outbox) {
           return outbox->is_over();
         });
}

std::string Sinks::why_over() const {
  for (const auto& outbox : webhooks_.outboxes()) {
    if (broker_.is_over() || !outbox->is_over()) continue;
    return fmt::format("the outbox of webhook {} is full: it takes alerts too slowly",
                       Quote(outbox->name()));
  }
  return broker_.why_over();
}

bool Sinks::has_recovered() const {
  return broker_.has_recovered() &&
         std::ranges::all_of(webhooks_.outboxes(),
                             [](const auto& outbox) { return outbox->has_recovered(); });
}

}  // namespace gemel::effects
