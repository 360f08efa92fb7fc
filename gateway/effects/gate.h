#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gateway/effects/effect.h"

namespace gemel::effects {

// Holds effects back while a journal is replayed, which decides them once more, and drops those
// that the journal says are done with. Opened, it lets the rest through, and from then on
// everything. What is for the history goes through at any time.
class Gate final : public Sink {
 public:
  explicit Gate(Sink& to) : to_(to) {}

  // Any thread. A dead letter is dropped while the gate is closed: nobody has promised it.
  void Append(const Effect& effect) override;
  void Flush() noexcept override {
    if (is_open_.load(std::memory_order_acquire)) to_.Flush();
  }

  // An effect that was saved while it waited: held, and not to be decided once more. Of one id in
  // their order. REQUIRES: closed
  void Restore(const Effect& effect);
  // Any thread, before or after the effect itself comes: the sink (a webhook, or the broker where
  // none is named) is done with it; others may not be. REQUIRES: closed
  void MarkDone(EffectId id, std::string_view webhook = {});
  // Lets what is held through, by the LSNs and for each in the order in which it came. What has a
  // lifetime has what is left of it at `now`, which is record time; what has expired is let through
  // as good as expired, for the sender to count. Returns how many effects there were, an effect for
  // two sinks being two. REQUIRES: nothing is appended meanwhile
  uint64_t Open(Time now);

 private:
  using Key = std::tuple<Lsn, uint32_t, std::string>;  // id and sink
  struct Held {
    uint64_t arrival = 0;
    std::vector<OwnedEffect> messages;  // of one effect
  };
  void Hold(Key key, const Effect& effect);

  Sink& to_;
  std::atomic<bool> is_open_{false};
  // A lock, because shards and the reader of the journal meet here; only while it is closed.
  std::mutex mutex_;
  std::map<Key, Held> held_;
  uint64_t arrivals_ = 0;
  std::set<Key> restored_;
  std::set<Key> done_;  // and not come yet
};

}  // namespace gemel::effects
