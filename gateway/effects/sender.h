#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/parker.h"
#include "gateway/base/stats.h"
#include "gateway/effects/notice_limit.h"
#include "gateway/effects/outbox.h"
#include "gateway/mqtt/backoff.h"
#include "gateway/mqtt/client.h"

namespace gemel::effects {

// What became of effects, by model where they are commands.
struct SenderStats {
  struct Commands {
    Counter sent;       // handed to the broker, again after a reconnect
    Counter delivered;  // acknowledged by the broker
    Counter expired;    // too old to be sent
  };
  Counter refused;     // which the broker acknowledged with a failure: not authorized, over a quota
  Counter unsendable;  // which the broker can never take: too large, or a topic that is none
  // Of alerts, over a rate: that a newer one replaced, or that said the end.
  Counter notices_limited;
  std::vector<Commands> commands;
};

struct SenderOptions {
  std::string status_topic;    // gemel/status
  std::string offline_status;  // what the broker keeps once we have gone
  size_t models = 0;
  NoticeRates notices = {};
  std::chrono::milliseconds reconnect_min{100};
  std::chrono::milliseconds reconnect_max{10'000};
  // Called by the effects thread every now and then: to set a status that has changed.
  std::function<void()> refresh_status;
  // Called by the effects thread with the effects that are done with: the broker has acknowledged
  // them, or they are given up for good. False: not now; they come again. May be empty.
  std::function<bool(std::span<const EffectId>)> on_done;
};

// The effects thread: takes effects from the outbox in order and keeps each until the broker has
// acknowledged it, so that a lost connection delays effects and loses none. After a reconnect what
// was in flight is sent again, in order, before anything new.
//
// Over the rates of notices an alert's retained message waits, and the newest of a topic takes the
// place of the one before, up to a quarter of the outbox's bound: beyond it the oldest that wait go
// all the same; what empties a topic goes at once and takes what waits for it along; and
// the message that says the end is left out. So the rate bounds what people are told, and what is
// retained ends up true.
class Sender {
 public:
  // `woken` is the parker that the outbox wakes. Everything outlives the sender.
  Sender(Outbox& outbox, Parker& woken, mqtt::Publisher& publisher, const Clock& clock,
         SenderOptions options);
  ~Sender();

  void Start();
  // Any thread. Replaces the retained status message; sent where it is another one, and at every
  // connect.
  void SetStatus(std::string payload);
  // Sends what is left, waits for its acknowledgement at most `patience`, says offline and
  // disconnects. False if something was left unsent or unacknowledged. REQUIRES: nothing is
  // appended any more.
  bool DrainAndStop(std::chrono::milliseconds patience);

  // Any thread.
  bool is_connected() const { return is_connected_.load(std::memory_order_relaxed); }
  const SenderStats& stats() const { return stats_; }
  // Any thread. Copies of all effects that the broker has not acknowledged, in order, without dead
  // letters.
  std::vector<OwnedEffect> Unacknowledged();

 private:
  // An effect on its way.
  struct Flight {
    mqtt::Outbound message;
    mqtt::Publisher::Token token = 0;
    std::optional<std::chrono::nanoseconds> deadline;  // of steady time
    EffectKind kind = EffectKind::kCommand;
    uint16_t model = 0;
    uint64_t key_hash = 0;
    EffectId id;
    bool has_more = false;
    Time decided = kNoTime;
    Duration lifetime{0};
    bool is_sent = false;
    bool is_done = false;
    size_t bytes = 0;  // as the outbox counts it
  };

  void Run();
  void RunOnce();
  void NoticeConnect(const Status& status);
  void NoticeLoss();
  void Send();
  bool SendStatus();
  void TakeBatch();
  // Puts it into its place among flights_, or among those that wait for the rate, or nowhere.
  void Admit(Flight flight, std::chrono::nanoseconds now);
  // Those that the rate allows by now; and the oldest ones, whatever the rate, beyond a share of
  // the outbox's bound: what only waits for the rate must not be what intake waits for.
  void ReleaseHeld();
  Flight TakeHeld(std::map<uint64_t, Flight>::iterator held);
  // Done with, and never to be sent.
  void LeaveOut(const Flight& flight);
  // At the bound, if it is to be so: first what waits for the rate.
  void DropOldest();
  void SayDropped();
  // Sends what is not on its way, in order. False if it could not go on.
  bool SendWaiting();
  bool SendOne(Flight& flight);
  bool StampExpiry(Flight& flight) const;
  void GiveUp(Flight& flight);
  void CollectAcknowledgements(std::chrono::milliseconds wait);
  void CountRefused();
  void Finish(Flight& flight);
  void ForgetFinished();
  void ForgetFirst();
  void NoteDone(const Flight& flight);
  void ReportDone(bool is_last);
  void Rest();
  void SayGoodbye();

  Outbox& outbox_;
  Parker& woken_;
  mqtt::Publisher& publisher_;
  const Clock& clock_;
  const SenderOptions options_;
  SenderStats stats_;
  std::atomic<bool> is_connected_{false};
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> is_drained_{false};
  std::chrono::steady_clock::time_point stop_at_;
  // A lock, because the status is a value, not a sequence: only its newest text matters.
  std::mutex status_mutex_;
  std::string status_;
  std::atomic<bool> has_new_status_{false};

  // Held by the effects thread but while it rests or connects, and by whoever looks for what is not
  // acknowledged: rare, and never while it waits for something else.
  std::mutex flights_mutex_;
  std::deque<Flight> flights_;
  std::map<uint64_t, Flight> held_;               // by number, that of the oldest of the topic
  std::map<std::string, uint64_t> held_numbers_;  // by topic
  size_t held_bytes_ = 0;
  // Effects thread only.
  NoticeLimit limit_;
  uint64_t next_held_ = 0;
  std::chrono::steady_clock::time_point next_release_{};
  size_t waiting_from_ = 0;  // index of the first flight that is not on its way
  std::vector<std::byte> batch_;
  std::vector<mqtt::Publisher::Token> tokens_;
  std::vector<EffectId> done_;  // not reported yet
  std::chrono::steady_clock::time_point done_since_{};
  mqtt::Publisher::Token last_token_ = 0;
  mqtt::Backoff backoff_;
  std::chrono::steady_clock::time_point connected_at_{};
  std::chrono::steady_clock::time_point next_refresh_{};
  uint64_t said_dropped_ = 0;
  std::chrono::steady_clock::time_point next_said_{};
  bool has_failed_ = false;  // so that a broker that stays away is one line in the log
  std::chrono::steady_clock::time_point next_attempt_{};
  std::jthread thread_;
};

}  // namespace gemel::effects
