#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/ingest/intake.h"
#include "gateway/mqtt/client.h"
#include "gateway/route/template.h"

namespace gemel {

// Of routes that differ in a part of a level only, the filters may be the same; asked for twice,
// the broker would take the later QoS.
void AddSubscription(mqtt::Subscription added, std::vector<mqtt::Subscription>& subscriptions);

// Topics beside telemetry on which something is said of a device, while a configuration is
// compiled: each has {id} in it.
class DeviceTopics {
 public:
  // What such a topic is, in errors: "command_ack".
  explicit DeviceTopics(std::string key) : key_(std::move(key)) {}

  // `owner` is who names it, in errors: "routes: kitchen". Several of one model may name the same.
  // REQUIRES: the template has {id}
  void Add(std::string owner, uint16_t model, route::Template topic, int qos);
  const std::vector<route::Template>& templates() const { return templates_; }

  // Adds their subscriptions; nothing if there are none. Invalid if one of them also matches one of
  // `taken`, which are telemetry, other such topics or published by the gateway, or what another
  // one of them matches.
  Result<std::optional<ingest::DeviceTopics>> Build(
      const std::vector<route::Template>& taken,
      std::vector<mqtt::Subscription>& subscriptions) const;

 private:
  const std::string key_;
  std::vector<std::string> owners_;
  std::vector<uint16_t> models_;
  std::vector<int> qos_;
  std::vector<route::Template> templates_;
};

}  // namespace gemel
