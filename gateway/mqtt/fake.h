#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/client.h"

// MQTT without a broker, for tests and for replaying bytes in process.
namespace gemel::mqtt {

// Hands what a test delivers to the handler, on the calling thread. One thread at a time.
class FakeReceiver final : public Receiver {
 public:
  // Receives at once.
  Status Start(std::vector<Subscription> subscriptions, MessageHandler on_message,
               StateHandler on_state) override;
  void Stop() override;
  bool is_receiving() const override { return is_receiving_; }

  // False, and nothing happens, when stopped or not receiving.
  bool Deliver(std::string_view topic, std::string_view payload, int qos = 1);
  bool Deliver(const Inbound& message);
  // As if the connection came or went. REQUIRES: started
  void SetReceiving(bool is_receiving, std::string_view why = "told to");
  const std::vector<Subscription>& subscriptions() const { return subscriptions_; }

 private:
  std::vector<Subscription> subscriptions_;
  MessageHandler on_message_;
  StateHandler on_state_;
  bool is_receiving_ = false;
};

// Records what is published. The Publisher's side belongs to one thread; the test may look and turn
// knobs from another.
class FakePublisher final : public Publisher {
 public:
  Status Connect() override;
  bool is_connected() const override;
  Result<Token> Publish(const Outbound& message) override;
  void Acknowledged(std::vector<Token>& tokens, std::chrono::milliseconds wait) override;
  void Disconnect() override;

  // Of all that was ever published, in order, again after a re-send.
  std::vector<Outbound> published() const;
  // Waits until there are at least `count`; false if they don't come in time.
  bool AwaitPublished(size_t count, std::chrono::milliseconds patience) const;
  // True (the default): everything is acknowledged at once. False: only by Acknowledge.
  void SetAcknowledging(bool is_acknowledging);
  // The oldest `count` that are in flight.
  void Acknowledge(size_t count = SIZE_MAX);
  // Publish returns kFull while so many are in flight.
  void SetWindow(size_t window);
  // Publish returns Invalid for this topic.
  void SetInvalid(std::string topic);
  // False: the connection is lost, with all that was in flight, and Connect fails.
  void SetReachable(bool is_reachable);
  // True: each connection is lost as soon as it is there.
  void SetFlapping(bool is_flapping);
  // Connections that there were.
  size_t connects() const;
  // How often Disconnect ended a connection.
  size_t disconnects() const;

 private:
  mutable std::mutex mutex_;  // a test looks in while the code under test runs on its own thread
  mutable std::condition_variable changed_;
  std::vector<Outbound> published_;
  std::deque<Token> in_flight_;
  std::vector<Token> acknowledged_;
  std::string invalid_;
  Token last_token_ = 0;
  size_t window_ = SIZE_MAX;
  size_t connects_ = 0;
  size_t disconnects_ = 0;
  bool is_flapping_ = false;
  bool is_acknowledging_ = true;
  bool is_reachable_ = true;
  bool is_connected_ = false;
};

}  // namespace gemel::mqtt
