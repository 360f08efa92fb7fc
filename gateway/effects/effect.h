#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"

namespace gemel::effects {

enum class EffectKind : uint8_t {
  kCommand,
  kAlert,
  kDeadLetter,
  kCommandChange,  // what has become of a command: for the history alone
};

// What a message says has become of an alert.
enum class AlertChange : uint8_t { kNone, kRaised, kSeverity, kAcknowledged, kCleared };

constexpr std::string_view AlertChangeName(AlertChange change) {
  constexpr std::string_view kNames[] = {"", "raised", "severity", "acknowledged", "cleared"};
  return kNames[static_cast<size_t>(change)];
}

// Stands in Effect::webhook for the history, which is no webhook and can't be called like one.
inline constexpr std::string_view kHistorySink = "/history";

// A gemel_severity in a set of them.
constexpr uint8_t SeverityBit(uint32_t severity) { return static_cast<uint8_t>(1U << severity); }

// One message for one sink, decided by a model or by intake: topic and payload are final. A view.
// A decision that needs several messages (an alert that is cleared) is several effects of one id.
struct Effect {
  EffectId id;
  EffectKind kind = EffectKind::kCommand;
  uint16_t model = 0;
  bool is_retained = false;
  bool has_more = false;  // another message of the same id follows
  // Of a message that says something of an alert: which severities the alert has had so far, see
  // SeverityBit; 0 in all other messages.
  uint8_t severities = 0;
  AlertChange change = AlertChange::kNone;  // of the same alert
  uint64_t key_hash = 0;   // of the twin that it is of, whose effects leave in order
  Time decided = kNoTime;  // record time
  // From when it was decided: not delivered after that. Zero: it never expires.
  Duration lifetime{0};
  std::string_view twin;  // its id, for who looks on; an OwnedEffect does not have it
  std::string_view topic;
  std::string_view payload;
  // Which sink it is for: the webhook of this name, or kHistorySink; empty: the broker.
  std::string_view webhook;
};

// An effect with its texts.
struct OwnedEffect {
  explicit OwnedEffect(const Effect& from)
      : effect(from), topic(from.topic), payload(from.payload), webhook(from.webhook) {}
  Effect view() const {
    Effect viewed = effect;
    viewed.topic = topic;
    viewed.payload = payload;
    viewed.webhook = webhook;
    return viewed;
  }

  Effect effect;  // its views are not valid
  std::string topic;
  std::string payload;
  std::string webhook;
};

// Where effects go: the outbox, or what a test or a replay collects them in.
class Sink {
 public:
  virtual ~Sink() = default;
  // Any thread. Copies the effect; never waits and never fails.
  virtual void Append(const Effect& effect) = 0;
  // Makes the appended effects known to whoever sends them; once a batch.
  virtual void Flush() noexcept = 0;
};

}  // namespace gemel::effects
