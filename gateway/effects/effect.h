#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"

namespace gemel::effects {

enum class EffectKind : uint8_t { kCommand, kAlert, kDeadLetter };

// One message for the broker, decided by a model or by intake: topic and payload are final. A view.
// A decision that needs several messages (an alert that is cleared) is several effects of one id.
struct Effect {
  EffectId id;
  EffectKind kind = EffectKind::kCommand;
  uint16_t model = 0;
  bool is_retained = false;
  bool has_more = false;   // another message of the same id follows
  Time decided = kNoTime;  // record time
  // From when it was decided: not delivered after that. Zero: it never expires.
  Duration lifetime{0};
  std::string_view twin;  // its id, for who looks on; an OwnedEffect does not have it
  std::string_view topic;
  std::string_view payload;
};

// An effect with its texts.
struct OwnedEffect {
  explicit OwnedEffect(const Effect& from)
      : effect(from), topic(from.topic), payload(from.payload) {}
  Effect view() const {
    Effect viewed = effect;
    viewed.topic = topic;
    viewed.payload = payload;
    return viewed;
  }

  Effect effect;  // its views are not valid
  std::string topic;
  std::string payload;
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
