#pragma once

#include <cstdint>
#include <string>
#include <string_view>
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
// alert once more for the history, if one is kept, and for each webhook that wants it; what becomes
// of a command is for the history only. An alert that has had a severity which a webhook wants is
// told to its end, so that the webhook also learns that it is milder now, or over. A function of
// the effect alone, in front of the gate, so that a replay decides the same. Any thread.
class Fanout final : public Sink {
 public:
  enum class History : uint8_t { kNone, kKept };
  Fanout(Sink& to, std::vector<WebhookFilter> webhooks, History history = History::kNone);

  void Append(const Effect& effect) override;
  void Flush() noexcept override { to_.Flush(); }

 private:
  void AppendFor(std::string_view sink, Duration lifetime, const Effect& effect);

  Sink& to_;
  const std::vector<WebhookFilter> webhooks_;
  const History history_;
};

}  // namespace gemel::effects
