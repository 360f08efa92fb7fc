#include "gateway/mqtt/fake.h"

#include <utility>

namespace gemel::mqtt {

Status FakeReceiver::Start(std::vector<Subscription> subscriptions, MessageHandler on_message,
                           StateHandler on_state) {
  GEMEL_ASSERT(!on_message_);
  subscriptions_ = std::move(subscriptions);
  on_message_ = std::move(on_message);
  on_state_ = std::move(on_state);
  SetReceiving(true, "started");
  return Status::Ok();
}

void FakeReceiver::Stop() {
  if (!on_message_) return;
  if (is_receiving_) SetReceiving(false, "stopped");
  on_message_ = nullptr;
}

bool FakeReceiver::Deliver(std::string_view topic, std::string_view payload, int qos) {
  return Deliver({.topic = topic, .payload = payload, .qos = qos});
}

bool FakeReceiver::Deliver(const Inbound& message) {
  if (!is_receiving_) return false;
  on_message_(message);
  return true;
}

void FakeReceiver::SetReceiving(bool is_receiving, std::string_view why) {
  GEMEL_ASSERT(on_message_);
  is_receiving_ = is_receiving;
  if (on_state_) on_state_(is_receiving, why);
}

Status FakePublisher::Connect() {
  const std::lock_guard lock(mutex_);
  if (!is_reachable_) return Unavailable("told to be unreachable");
  in_flight_.clear();
  ++connects_;
  is_connected_ = !is_flapping_;
  return Status::Ok();
}

bool FakePublisher::is_connected() const {
  const std::lock_guard lock(mutex_);
  return is_connected_;
}

Result<Publisher::Token> FakePublisher::Publish(const Outbound& message) {
  const std::lock_guard lock(mutex_);
  if (!is_connected_) return Unavailable("not connected");
  if (message.topic == invalid_) return Invalid("told to be invalid");
  if (in_flight_.size() >= window_) return Status(Code::kFull, "told to be full");
  published_.push_back(message);
  const Token token = ++last_token_;
  if (is_acknowledging_ || message.qos == 0) {
    acknowledged_.push_back(token);
  } else {
    in_flight_.push_back(token);
  }
  changed_.notify_all();
  return token;
}

void FakePublisher::Acknowledged(std::vector<Token>& tokens, std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [this] { return !acknowledged_.empty() || in_flight_.empty(); });
  tokens.insert(tokens.end(), acknowledged_.begin(), acknowledged_.end());
  acknowledged_.clear();
}

void FakePublisher::Disconnect() {
  const std::lock_guard lock(mutex_);
  if (is_connected_) ++disconnects_;
  is_connected_ = false;
}

std::vector<Outbound> FakePublisher::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

bool FakePublisher::AwaitPublished(size_t count, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return published_.size() >= count; });
}

void FakePublisher::SetAcknowledging(bool is_acknowledging) {
  const std::lock_guard lock(mutex_);
  is_acknowledging_ = is_acknowledging;
}

void FakePublisher::Acknowledge(size_t count) {
  const std::lock_guard lock(mutex_);
  for (; count > 0 && !in_flight_.empty(); --count) {
    acknowledged_.push_back(in_flight_.front());
    in_flight_.pop_front();
  }
  changed_.notify_all();
}

void FakePublisher::SetWindow(size_t window) {
  const std::lock_guard lock(mutex_);
  window_ = window;
}

void FakePublisher::SetInvalid(std::string topic) {
  const std::lock_guard lock(mutex_);
  invalid_ = std::move(topic);
}

void FakePublisher::SetReachable(bool is_reachable) {
  const std::lock_guard lock(mutex_);
  is_reachable_ = is_reachable;
  if (!is_reachable) {
    is_connected_ = false;
    in_flight_.clear();
  }
  changed_.notify_all();
}

size_t FakePublisher::disconnects() const {
  const std::lock_guard lock(mutex_);
  return disconnects_;
}

void FakePublisher::SetFlapping(bool is_flapping) {
  const std::lock_guard lock(mutex_);
  is_flapping_ = is_flapping;
}

size_t FakePublisher::connects() const {
  const std::lock_guard lock(mutex_);
  return connects_;
}

}  // namespace gemel::mqtt
