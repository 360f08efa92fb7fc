#pragma once

#include <vector>

#include "gateway/config/config.h"
#include "gateway/effects/backlog.h"
#include "gateway/effects/fanout.h"
#include "gateway/effects/webhook_sender.h"

namespace gemel {

// What the configuration says of sinks, as the effects folder wants it.
effects::WhenFull ToWhenFull(config::WhenFull when_full);
std::vector<effects::Webhook> WebhooksOf(const config::Config& config);
std::vector<effects::WebhookFilter> FiltersOf(const config::Config& config);

}  // namespace gemel
