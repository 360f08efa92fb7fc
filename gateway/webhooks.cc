#include "gateway/webhooks.h"

#include <algorithm>

#include <fmt/format.h>

#include "gateway/version.h"

namespace gemel {

effects::WhenFull ToWhenFull(config::WhenFull when_full) {
  return when_full == config::WhenFull::kHold ? effects::WhenFull::kHold
                                              : effects::WhenFull::kDropOldest;
}

std::vector<effects::Webhook> WebhooksOf(const config::Config& config) {
  std::vector<effects::Webhook> webhooks;
  for (const config::Webhook& from : config.webhooks) {
    webhooks.push_back({.name = from.name,
                        .target = {.url = from.url,
                                   .headers = from.headers,
                                   .ca_file = from.ca_file,
                                   .timeout = from.timeout,
                                   .user_agent = fmt::format("gemel/{}", kVersion)},
                        .outbox = {.bytes_max = from.outbox.size,
                                   .when_full = ToWhenFull(from.outbox.when_full)}});
  }
  return webhooks;
}

std::vector<effects::WebhookFilter> FiltersOf(const config::Config& config) {
  std::vector<effects::WebhookFilter> filters;
  for (const config::Webhook& from : config.webhooks) {
    effects::WebhookFilter& filter = filters.emplace_back();
    filter.name = from.name;
    filter.retry_for = from.retry_for;
    filter.severities = 0;
    for (const gemel_severity severity : from.severities)
      filter.severities |= effects::SeverityBit(severity);
    if (from.models.empty()) continue;
    for (const config::Model& model : config.models)
      filter.models.push_back(std::ranges::find(from.models, model.name) != from.models.end());
  }
  return filters;
}

}  // namespace gemel
