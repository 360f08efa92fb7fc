#include "gateway/effects/fanout.h"

#include <utility>

namespace gemel::effects {

Fanout::Fanout(Sink& to, std::vector<WebhookFilter> webhooks, History history)
    : to_(to), webhooks_(std::move(webhooks)), history_(history) {}

void Fanout::Append(const Effect& effect) {
  if (effect.kind == EffectKind::kCommandChange) {
    if (history_ == History::kKept) AppendFor(kHistorySink, Duration::zero(), effect);
    return;
  }
  to_.Append(effect);
  if (effect.severities == 0) return;
  if (history_ == History::kKept) AppendFor(kHistorySink, Duration::zero(), effect);
  for (const WebhookFilter& webhook : webhooks_) {
    const bool is_wanted = (webhook.severities & effect.severities) != 0 &&
                           (webhook.models.empty() || webhook.models[effect.model]);
    if (is_wanted) AppendFor(webhook.name, webhook.retry_for, effect);
  }
}

void Fanout::AppendFor(std::string_view sink, Duration lifetime, const Effect& effect) {
  Effect copy = effect;
  copy.webhook = sink;
  copy.lifetime = lifetime;
  copy.topic = {};
  copy.is_retained = false;
  copy.has_more = false;  // the message that empties the topic is for the broker alone
  to_.Append(copy);
}

}  // namespace gemel::effects
