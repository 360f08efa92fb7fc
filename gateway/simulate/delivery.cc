#include "gateway/simulate/delivery.h"

#include <algorithm>
#include <utility>

namespace gemel::simulate {

using std::chrono::milliseconds;

Delivery::Delivery(mqtt::Publisher& publisher, const Clock& clock, DeliveryEvents events)
    : publisher_(publisher),
      clock_(clock),
      events_(std::move(events)),
      backoff_(milliseconds(100), milliseconds(2'000)) {}

Status Delivery::Connect() {
  Status status = publisher_.Connect();
  is_connected_ = status.ok();
  why_ = status.message();
  if (status.ok()) {
    backoff_.Reset();
  } else {
    next_attempt_ = clock_.Steady() + backoff_.Next();
  }
  return status;
}

void Delivery::Offer(mqtt::Outbound message, uint64_t tag) {
  const bool is_first = waiting_from_ == flights_.size();
  flights_.push_back({.message = std::move(message), .tag = tag});
  if (is_first && is_connected_) SendWaiting();
}

void Delivery::Pump(milliseconds wait) {
  if (is_connected_) Collect(wait);
  if (is_connected_ && !publisher_.is_connected()) Lose("the connection was lost");
  if (!is_connected_ && clock_.Steady() >= next_attempt_)
    (void)Connect();  // why_ keeps the failure
  if (is_connected_) SendWaiting();
}

void Delivery::Collect(milliseconds wait) {
  tokens_.clear();
  publisher_.Acknowledged(tokens_, waiting_from_ > 0 ? wait : milliseconds(0));
  for (const mqtt::Publisher::Token token : tokens_) Finish(token);
  DropDone();
}

// Tokens of what is on its way never fall along the queue.
void Delivery::Finish(mqtt::Publisher::Token token) {
  const auto end = flights_.begin() + static_cast<std::ptrdiff_t>(waiting_from_);
  const auto flight = std::ranges::lower_bound(flights_.begin(), end, token, {}, &Flight::token);
  if (flight == end || flight->token != token || flight->is_done) return;
  flight->is_done = true;
  events_.on_acknowledged(flight->tag);
}

void Delivery::SendWaiting() {
  while (waiting_from_ < flights_.size()) {
    Flight& flight = flights_[waiting_from_];
    if (!flight.is_done && !SendOne(flight)) return;
    flight.token = last_token_;
    ++waiting_from_;
  }
  DropDone();
}

// False if it has to wait.
bool Delivery::SendOne(Flight& flight) {
  const std::chrono::nanoseconds at = clock_.Steady();
  const Result<mqtt::Publisher::Token> token = publisher_.Publish(flight.message);
  if (token.ok()) {
    last_token_ = *token;
    if (flight.was_sent) ++repeated_;
    if (!flight.was_sent) events_.on_sent(flight.tag, at);
    flight.was_sent = true;
    return true;
  }
  if (token.status().code() == Code::kFull) return false;
  if (token.status().code() == Code::kInvalid) {
    flight.is_done = true;
    events_.on_refused(flight.tag, token.status());
    return true;
  }
  Lose(token.status().message());
  return false;
}

void Delivery::DropDone() {
  while (!flights_.empty() && waiting_from_ > 0 && flights_.front().is_done) {
    flights_.pop_front();
    --waiting_from_;
  }
}

void Delivery::Lose(const std::string& why) {
  is_connected_ = false;
  why_ = why;
  waiting_from_ = 0;
  next_attempt_ = clock_.Steady();
}

}  // namespace gemel::simulate
