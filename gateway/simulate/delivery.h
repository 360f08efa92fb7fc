#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/status.h"
#include "gateway/mqtt/backoff.h"
#include "gateway/mqtt/client.h"

namespace gemel::simulate {

// Called by Delivery with the tag that the message was offered with.
struct DeliveryEvents {
  // Handed over for the first time; `at` is the steady clock just before.
  std::function<void(uint64_t tag, std::chrono::nanoseconds at)> on_sent;
  std::function<void(uint64_t tag)> on_acknowledged;                // the broker has it
  std::function<void(uint64_t tag, const Status& why)> on_refused;  // it can't ever be sent
};

// Brings messages to the broker and keeps each until it is acknowledged: a connection that is lost
// is made again, and what was not acknowledged by then is sent again, in order, before anything
// new. One thread, without a thread of its own; Pump does the work.
class Delivery {
 public:
  // Everything outlives the delivery.
  Delivery(mqtt::Publisher& publisher, const Clock& clock, DeliveryEvents events);

  // One attempt to connect, as Publisher::Connect.
  Status Connect();
  // Takes a message over, and sends it at once if nothing waits before it. More than has_room
  // allows is memory's affair, not an error.
  void Offer(mqtt::Outbound message, uint64_t tag);
  bool has_room() const { return flights_.size() < kHeldMax; }
  // Collects acknowledgements (waits at most `wait` for the first one if there are any to come),
  // connects again when it is time to, sends what waits.
  void Pump(std::chrono::milliseconds wait);
  // Everything offered was acknowledged or refused.
  bool is_empty() const { return flights_.empty(); }
  // Something waits for acknowledgements to make room for it.
  bool is_blocked() const { return is_connected_ && waiting_from_ < flights_.size(); }
  bool is_connected() const { return is_connected_; }
  // Why the last attempt to connect failed; empty if it didn't.
  const std::string& why() const { return why_; }
  uint64_t repeated() const { return repeated_; }

 private:
  // Twice what a publisher has in flight, so that it never runs dry.
  static constexpr size_t kHeldMax = 16'384;

  struct Flight {
    mqtt::Outbound message;
    uint64_t tag = 0;
    mqtt::Publisher::Token token = 0;
    bool was_sent = false;  // on this connection or an earlier one
    bool is_done = false;
  };

  void Collect(std::chrono::milliseconds wait);
  void Finish(mqtt::Publisher::Token token);
  void SendWaiting();
  bool SendOne(Flight& flight);
  void DropDone();
  void Lose(const std::string& why);

  mqtt::Publisher& publisher_;
  const Clock& clock_;
  const DeliveryEvents events_;
  std::deque<Flight> flights_;  // in order; those before waiting_from_ are on their way
  size_t waiting_from_ = 0;
  mqtt::Publisher::Token last_token_ = 0;
  std::vector<mqtt::Publisher::Token> tokens_;  // reused
  bool is_connected_ = false;
  mqtt::Backoff backoff_;
  std::chrono::nanoseconds next_attempt_{0};
  std::string why_;
  uint64_t repeated_ = 0;
};

}  // namespace gemel::simulate
