#include "gateway/device_topics.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/route/router.h"

namespace gemel {

void AddSubscription(mqtt::Subscription added, std::vector<mqtt::Subscription>& subscriptions) {
  const auto known = std::ranges::find(subscriptions, added.filter, &mqtt::Subscription::filter);
  if (known == subscriptions.end()) {
    subscriptions.push_back(std::move(added));
  } else {
    known->qos = std::max(known->qos, added.qos);
    known->is_optional = known->is_optional && added.is_optional;
  }
}

void DeviceTopics::Add(std::string owner, uint16_t model, route::Template topic, int qos) {
  for (size_t i = 0; i < templates_.size(); ++i) {
    if (templates_[i].text() != topic.text() || models_[i] != model) continue;
    qos_[i] = std::max(qos_[i], qos);
    return;
  }
  owners_.push_back(std::move(owner));
  models_.push_back(model);
  qos_.push_back(qos);
  templates_.push_back(std::move(topic));
}

Result<std::optional<ingest::DeviceTopics>> DeviceTopics::Build(
    const std::vector<route::Template>& taken,
    std::vector<mqtt::Subscription>& subscriptions) const {
  if (templates_.empty()) return std::optional<ingest::DeviceTopics>();
  std::vector<size_t> ids;
  for (size_t i = 0; i < templates_.size(); ++i) {
    std::string topic;
    const bool is_taken = std::ranges::any_of(
        taken, [&](const route::Template& other) { return templates_[i].Overlaps(other, &topic); });
    if (is_taken) {
      return Invalid(fmt::format(
          "{}: {} {} also matches {}, which is telemetry, another topic of devices or what the "
          "gateway publishes itself",
          owners_[i], key_, Quote(templates_[i].text()), Quote(topic)));
    }
    const std::vector<std::string> names = templates_[i].names();
    ids.push_back(static_cast<size_t>(std::ranges::find(names, "id") - names.begin()));
    // A broker whose access control does not know of it yet must not keep telemetry away.
    AddSubscription({.filter = templates_[i].filter(), .qos = qos_[i], .is_optional = true},
                    subscriptions);
  }
  Result<route::Router> router = route::Router::Build(templates_);
  if (!router.ok()) return Invalid(fmt::format("{}: {}", key_, router.status().message()));
  return std::optional(ingest::DeviceTopics{std::move(*router), models_, std::move(ids)});
}

}  // namespace gemel
