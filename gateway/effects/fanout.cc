#include "gateway/effects/fanout.h"

#include <utility>

namespace gemel::effects {

Fanout::Fanout(Sink& to, std::vector<WebhookFilter> webhooks)
    : to_(to), webhooks_(std::move(webhooks)) {}

void Fanout::Append(const Effect& effect) {
  to_.Append(effect);
  if (effect.severities == 0) return;
  for (const WebhookFilter& webhook : webhooks_) {
    const bool is_wanted = (webhook.severities & effect.severities) != 0 &&
                           (webhook.models.empty() || webhook.models[effect.model]);
    if (!is_wanted) continue;
    Effect copy = effect;
    copy.webhook = webhook.name;
    copy.lifetime = webhook.retry_for;
    copy.topic = {};
    copy.is_retained = false;
    copy.has_more = false;  // the message that empties the topic is for the broker alone
    to_.Append(copy);
  }
}

}  // namespace gemel::effects
