#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "tests/mqtt/inbox.h"
#include "tests/support/broker.h"

// What Paho's asynchronous client doesn't survive: QoS 1 messages for a broker that freezes and
// dies. Worth most under AddressSanitizer.
namespace gemel::mqtt {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::Broker;
using ::testing::IsEmpty;
using Clock = std::chrono::steady_clock;

constexpr auto kPeriod = 50ms;  // 20 messages a second

int Rounds() {
  const char* rounds = std::getenv("GEMEL_FAULT_ROUNDS");
  return rounds != nullptr ? std::atoi(rounds) : 3;
}

// Sends each message until it is acknowledged, as the effects thread does.
class Sender {
 public:
  explicit Sender(Publisher& publisher) : publisher_(publisher) {}

  void Send(const std::string& topic) {
    sent_.insert(topic);
    waiting_.push_back(topic);
    Step(0ms);
  }

  // Connects, publishes and hears what there is.
  void Step(std::chrono::milliseconds wait) {
    if (!publisher_.is_connected()) {
      for (const auto& [token, topic] : in_flight_) waiting_.push_front(topic);
      in_flight_.clear();
      if (!publisher_.Connect().ok()) return;
      ++connections_;
    }
    while (!waiting_.empty()) {
      const auto token = publisher_.Publish({.topic = waiting_.front(), .payload = "x"});
      if (!token.ok()) break;
      in_flight_[*token] = waiting_.front();
      waiting_.pop_front();
    }
    tokens_.clear();
    publisher_.Acknowledged(tokens_, wait);
    for (const Publisher::Token token : tokens_) {
      EXPECT_EQ(in_flight_.erase(token), 1u) << "token " << token;
    }
  }

  bool is_done() const { return waiting_.empty() && in_flight_.empty(); }
  const std::set<std::string>& sent() const { return sent_; }
  int connections() const { return connections_; }

 private:
  Publisher& publisher_;
  std::set<std::string> sent_;
  std::deque<std::string> waiting_;
  std::map<Publisher::Token, std::string> in_flight_;
  std::vector<Publisher::Token> tokens_;
  int connections_ = 0;
};

class PahoFaultTest : public ::testing::TestWithParam<Version> {
 protected:
  PahoFaultTest() {
    EXPECT_TRUE(broker_.Start().ok());
    publisher_ = MakePahoPublisher(ConnectionTo(broker_.uri(), GetParam()),
                                   {.topic = "will", .payload = "offline"});
    receiver_ = MakePahoReceiver(ConnectionTo(broker_.uri(), GetParam()));
    EXPECT_TRUE(receiver_->Start({{"#", 1}}, inbox_.on_message(), inbox_.on_state()).ok());
    EXPECT_TRUE(inbox_.AwaitReceiving());
    // So that the broker has the session on its disk; what it loses itself is not our matter.
    EXPECT_TRUE(broker_.Restart().ok());
    EXPECT_TRUE(inbox_.AwaitWhy("session resumed")) << inbox_.whys();
    sender_ = std::make_unique<Sender>(*publisher_);
  }

  void SendFor(std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    for (auto next = Clock::now(); next < end; next += kPeriod) {
      // The pace is the treatment, no wait for something to happen.
      std::this_thread::sleep_until(next);
      sender_->Send("fault/" + std::to_string(++number_));
    }
  }
  void SendUntilAcknowledged() {
    const auto deadline = Clock::now() + support::kPatience;
    while (!sender_->is_done() && Clock::now() < deadline) sender_->Step(10ms);
    EXPECT_TRUE(sender_->is_done());
  }
  // The topics that were received, after the last message sent came too.
  std::set<std::string> Received() {
    EXPECT_TRUE(inbox_.AwaitReceiving(10s)) << inbox_.whys();
    sender_->Send("fault/last");
    SendUntilAcknowledged();
    std::set<std::string> topics;
    const auto deadline = Clock::now() + support::kPatience;
    while (!topics.contains("fault/last") && Clock::now() < deadline) {
      for (const Inbox::Message& message : inbox_.messages()) topics.insert(message.topic);
    }
    topics.erase("will");
    return topics;
  }

  Broker broker_{{.is_persistent = true}};
  Inbox inbox_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Receiver> receiver_;
  std::unique_ptr<Sender> sender_;
  int number_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Versions, PahoFaultTest, ::testing::Values(Version::k5, Version::k311),
                         VersionName);

TEST_P(PahoFaultTest, NothingIsLostWhenTheBrokerFreezesDiesAndComesBack) {
  for (int round = 0; round < Rounds(); ++round) {
    SendFor(500ms);
    broker_.Freeze();
    SendFor(1s);
    broker_.Kill();
    SendFor(200ms);
    ASSERT_TRUE(broker_.Start().ok());
    SendFor(500ms);
    SendUntilAcknowledged();
    ASSERT_TRUE(inbox_.AwaitReceiving(10s)) << "round " << round << ": " << inbox_.whys();
    SendFor(200ms);
  }
  EXPECT_GE(sender_->connections(), Rounds() + 1);
  const std::set<std::string> received = Received();
  std::vector<std::string> strange;
  std::ranges::set_difference(received, sender_->sent(), std::back_inserter(strange));
  EXPECT_THAT(strange, IsEmpty());  // or somebody reads freed memory
  std::vector<std::string> lost;
  std::ranges::set_difference(sender_->sent(), received, std::back_inserter(lost));
  EXPECT_THAT(lost, IsEmpty());
}

TEST_P(PahoFaultTest, AFrozenBrokerThatWakesAgainHasLostNothing) {
  for (int round = 0; round < Rounds(); ++round) {
    SendFor(200ms);
    broker_.Freeze();
    SendFor(1s);
    broker_.Thaw();
    SendUntilAcknowledged();
  }
  EXPECT_EQ(sender_->connections(), 1);
  EXPECT_EQ(Received(), sender_->sent());
}

}  // namespace
}  // namespace gemel::mqtt
