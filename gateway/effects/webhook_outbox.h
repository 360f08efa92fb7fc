#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/limits.h"
#include "gateway/base/stats.h"
#include "gateway/effects/backlog.h"
#include "gateway/effects/effect.h"
#include "gateway/effects/http_post.h"
#include "gateway/journal/record.h"

namespace gemel::effects {

using journal::EffectOutcome;
using journal::EndedEffect;

std::string_view OutcomeName(EffectOutcome outcome);

struct WebhookOutboxOptions {
  size_t bytes_max = kOutboxBytesMax;
  WhenFull when_full = WhenFull::kHold;
  size_t in_flight_max = kWebhookInFlightMax;
  // The wait after a failure doubles from the one to the other, less up to a half by chance.
  std::chrono::milliseconds retry_min{1'000};
  std::chrono::milliseconds retry_max{60'000};
  uint32_t seed = std::random_device{}();
};

// The effects of one webhook until they have ended there, and when each may be tried. Effects of
// one twin are tried in their order, one at a time; of several twins some are on their way at once.
// One that fails waits by itself, and a webhook that keeps failing is tried with one at a time.
// What has ended is kept until it is recorded. Knows nothing of HTTP but the answers.
class WebhookOutbox {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  WebhookOutbox(std::string name, WebhookOutboxOptions options, const Clock& clock);

  // Any thread. Copies the effect; at the bound the oldest is dropped, if it is to be so.
  void Append(const Effect& effect);
  // Any thread.
  const std::string& name() const { return name_; }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  size_t effects() const { return effects_.load(std::memory_order_relaxed); }
  // Whether intake is to be held, and no more.
  bool is_over() const { return holds() && bytes() > options_.bytes_max; }
  bool has_recovered() const { return !holds() || bytes() <= options_.bytes_max / 2; }
  uint64_t ended(EffectOutcome outcome) const {
    return ended_count_[static_cast<size_t>(outcome)].value();
  }
  uint64_t retries() const { return retries_.value(); }
  // Any thread. All that has not ended for good, by the order of Append. Shared, because a copy of
  // them all would hold a shard that appends for as long as it takes.
  std::vector<std::shared_ptr<const OwnedEffect>> Waiting() const;

  // The following on the thread that sends.
  struct Attempt {
    uint64_t number = 0;
    std::shared_ptr<const OwnedEffect> effect;
  };
  // What may be tried now; it is on its way then, until Finish.
  std::optional<Attempt> Next();
  void Finish(uint64_t number, const HttpAnswer& answer);
  // Until Next may have something, if nothing is appended or finished; nothing if never.
  std::optional<Nanoseconds> Wait() const;
  // Has what has ended recorded, and forgets it. It is kept if `record` returns false.
  void Report(const std::function<bool(std::span<const EndedEffect>)>& record);
  // Says what has changed for the worse or the better, once a minute at most where it is many.
  void Say();

 private:
  enum class State : uint8_t { kWaiting, kOnItsWay, kEnded };
  struct Entry {
    std::shared_ptr<const OwnedEffect> effect;
    Nanoseconds deadline{0};  // of steady time
    Nanoseconds due{0};
    uint64_t next = 0;  // of the same twin; 0: none
    size_t bytes = 0;
    uint32_t attempts = 0;
    State state = State::kWaiting;
    EffectOutcome outcome = EffectOutcome::kDelivered;
  };
  using Entries = std::map<uint64_t, Entry>;
  // Of one twin: what has not ended, linked in order.
  struct Lane {
    uint64_t first = 0;
    uint64_t last = 0;
  };

  bool holds() const { return options_.when_full == WhenFull::kHold; }
  // The following with mutex_ held.
  // False if there is none that is not on its way.
  bool DropOldest();
  void Expire(Nanoseconds now);
  void End(Entries::iterator entry, EffectOutcome outcome);
  void Unlink(Entries::iterator entry);
  void Forget(Entries::iterator entry);
  void Retry(Entries::iterator entry, const HttpAnswer& answer);
  Nanoseconds Delay(uint32_t attempts);
  size_t in_flight_limit() const;

  const std::string name_;
  const WebhookOutboxOptions options_;
  const Clock& clock_;

  // A lock, because shards append what another thread takes in an order of its own; held for a few
  // steps, and never while anything is sent or written.
  mutable std::mutex mutex_;
  Entries entries_;  // by number, which is the order of Append
  uint64_t next_number_ = 1;
  // By twin. The first entry of each that is not on its way is in heads_, by when it is due.
  std::unordered_map<uint64_t, Lane> lanes_;
  std::set<std::pair<Nanoseconds, uint64_t>> heads_;
  std::vector<uint64_t> ended_;
  std::vector<EndedEffect> dropped_;  // not recorded yet
  size_t in_flight_ = 0;
  uint32_t failures_ = 0;  // since the last answer that took or refused an effect
  Nanoseconds paused_until_{0};
  std::minstd_rand random_;
  std::string why_;  // the last failure

  std::atomic<size_t> bytes_{0};
  std::atomic<size_t> effects_{0};
  std::array<SharedCounter, 5> ended_count_;  // by outcome
  SharedCounter retries_;

  // Of the thread that sends: what was said.
  bool is_failing_said_ = false;
  std::array<uint64_t, 5> said_count_{};
  std::optional<Nanoseconds> said_at_;
};

}  // namespace gemel::effects
