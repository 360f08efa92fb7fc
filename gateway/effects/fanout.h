#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/effects/effect.h"

namespace gemel::effects {

// Which alerts a webhook gets, and for how long it is tried with each.
struct WebhookFilter {
  std::string name;           // unique, and not empty
  uint8_t severities = 0xFF;  // a set of SeverityBit
  std::vector<bool> models;   // by model; empty: all
  Duration retry_for{0};
};

// Decides which sinks an effect has: hands each on for the broker, and what says something of an
// alert once more for each webhook that wants it. An alert that has had a severity which a webhook
// wants is told to its end, so that the webhook also learns that it is milder now, or over. A
// function of the effect alone, in front of the gate, so that a replay decides the same. Any
// thread.
class Fanout final : public Sink {
 public:
  Fanout(Sink& to, std::vector<WebhookFilter> webhooks);

  void Append(const Effect& effect) override;
  void Flush() noexcept override { to_.Flush(); }

 private:
  Sink& to_;
  const std::vector<WebhookFilter> webhooks_;
};

}  // namespace gemel::effects
