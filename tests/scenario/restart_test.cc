#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/paho_publisher.h"
#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using support::Tail;

// Publishes scenario/wa/d<k>/in with numbers 1..count at QoS 1, again after a lost connection,
// until every one is acknowledged.
class NumberedSender {
 public:
  NumberedSender(const Broker& broker, int64_t count, std::chrono::microseconds pause = {})
      : publisher_(mqtt::MakePahoPublisher({.uri = broker.uri(), .client_id = "numbered"}, {})),
        count_(count),
        pause_(pause),
        thread_([this] { Run(); }) {}
  int64_t sent() const { return sent_.load(); }
  void Join() { thread_.join(); }

 private:
  void Run() {
    std::map<mqtt::Publisher::Token, int64_t> in_flight;
    std::set<int64_t> waiting;
    for (int64_t n = 1; n <= count_; ++n) waiting.insert(n);
    std::vector<mqtt::Publisher::Token> tokens;
    while (!waiting.empty() || !in_flight.empty()) {
      if (!publisher_->is_connected()) {
        for (const auto& [token, n] : in_flight) waiting.insert(n);
        in_flight.clear();
        if (!publisher_->Connect().ok()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
        continue;
      }
      if (!waiting.empty() && in_flight.size() < 500) {
        const int64_t n = *waiting.begin();
        const auto token =
            publisher_->Publish({.topic = "scenario/wa/d" + std::to_string(n % 10) + "/in",
                                 .payload = "{\"n\":" + std::to_string(n) + "}"});
        if (token.ok()) {
          in_flight[*token] = n;
          waiting.erase(n);
          ++sent_;
        }
        if (pause_.count() > 0) std::this_thread::sleep_for(pause_);
      }
      tokens.clear();
      publisher_->Acknowledged(
          tokens, std::chrono::milliseconds(waiting.empty() || in_flight.size() >= 500 ? 5 : 0));
      for (const auto token : tokens) in_flight.erase(token);
    }
    publisher_->Disconnect();
  }

  std::unique_ptr<mqtt::Publisher> publisher_;
  const int64_t count_;
  const std::chrono::microseconds pause_;
  std::atomic<int64_t> sent_{0};
  std::thread thread_;
};

TEST(RestartTest, StoppedInMidStreamEveryNumberIsAnsweredAndNoIdMeansTwoThings) {
  constexpr int64_t kCount = 20'000;
  Broker broker({.is_persistent = true});
  ASSERT_TRUE(broker.Start().ok());
  GatewayProcess gateway(broker, EchoConfiguration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Tail commands(broker, {"scenario/+/+/out"});
  NumberedSender sender(broker, kCount, std::chrono::microseconds(100));
  for (int restart = 1; restart <= 3; ++restart) {
    const size_t enough = static_cast<size_t>(restart) * 2'000;
    ASSERT_TRUE(commands.WaitForCount(enough));
    ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
  }
  sender.Join();
  Answers answers;
  answers.AwaitAll(commands, kCount);
  ASSERT_EQ(answers.numbers(), kCount) << commands.seen().size() << " commands";
  EXPECT_EQ(answers.changed(), 0);
  for (const support::Seen& seen : commands.seen())
    EXPECT_TRUE(seen.topic.starts_with("scenario/wa/d")) << seen.topic;
}

TEST(RestartTest, BrokerFrozenKilledAndRestartedWhileCommandsFlow) {
  const int64_t rounds = FromEnvironment("GEMEL_KILLS", 5);
  Broker broker({.is_persistent = true});
  ASSERT_TRUE(broker.Start().ok());
  GatewayProcess gateway(broker, EchoConfiguration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  int64_t n = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    Tail all(broker, {"#"});
    NumberedSender sender(broker, 200, std::chrono::milliseconds(20));  // four seconds of commands
    ASSERT_TRUE(all.WaitForCount(40));
    broker.Freeze();
    std::this_thread::sleep_for(
        std::chrono::seconds(1));  // the treatment itself, not a wait for something
    broker.Kill();
    ASSERT_TRUE(broker.Start().ok());
    const auto restarted = std::chrono::steady_clock::now();
    ASSERT_TRUE(gateway.AwaitReceiving()) << gateway.errors();
    EXPECT_LT(std::chrono::steady_clock::now() - restarted, std::chrono::seconds(10))
        << "round " << round;
    sender.Join();
    n += sender.sent();
    for (const support::Seen& seen : all.seen()) {
      const bool is_ours = seen.topic == "gemel/status" ||
                           (seen.topic.starts_with("scenario/wa/d") &&
                            (seen.topic.ends_with("/in") || seen.topic.ends_with("/out")));
      EXPECT_TRUE(is_ours) << seen.topic;
    }
    ASSERT_TRUE(gateway.is_running()) << gateway.errors();
  }
  EXPECT_GE(n, rounds * 200);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  EXPECT_EQ(gateway.errors().find("Sanitizer"), std::string::npos) << gateway.errors();
}

// Freezes the broker at a moment when it owes the gateway acknowledgements, and sends none any
// more.
bool FreezeWithEffectsOnTheirWay(Broker& broker, const GatewayProcess& gateway, Tail& commands) {
  // So many that what the broker had acknowledged before, and the gateway collects every now and
  // then, has gone.
  constexpr int kLooks = 500;
  for (size_t round = 1; round <= 100; ++round) {
    if (!commands.WaitForCount(200 * round)) return false;
    broker.Freeze();
    int looks = 0;
    while (looks < kLooks && gateway.Metric("gemel_outbox_effects") > 0) ++looks;
    if (looks == kLooks) return true;
    broker.Thaw();
  }
  return false;
}

// The devices hear nothing of the stop: what was decided before it reaches them after it.
TEST(RestartTest, WhatAFrozenBrokerHasNotAcknowledgedAtAStopIsSentByTheNextStart) {
  Broker broker({.is_persistent = true});
  ASSERT_TRUE(broker.Start().ok());
  nlohmann::json configuration = EchoConfiguration();
  configuration["routes"][0]["message_id"] = "/n";
  GatewayProcess gateway(broker, configuration);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Tail commands(broker, {"scenario/+/+/out"});
  NumberedLoad load(broker.port(), 4'000);
  ASSERT_TRUE(FreezeWithEffectsOnTheirWay(broker, gateway, commands));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  EXPECT_NE(gateway.errors().find("unsent=kept"), std::string::npos) << gateway.errors();
  broker.Thaw();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  const int64_t published = load.End();
  Answers answers;
  answers.AwaitAll(commands, published);
  EXPECT_EQ(answers.numbers(), published);
  EXPECT_EQ(answers.doubled(), 0);
  EXPECT_EQ(answers.changed(), 0);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

}  // namespace
}  // namespace gemel::scenario
