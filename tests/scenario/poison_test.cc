// A message that ends the process costs two crashed starts, then it is set aside, and all others
// count exactly, those of the same twin included.

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/paho_publisher.h"
#include "tests/scenario/gateway_process.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using support::Tail;

constexpr int64_t kDevices = 8;
constexpr int64_t kMessages = 400;
// In the middle of twin 4's.
constexpr int64_t kPoison = 204;

std::string TopicOf(int64_t n) { return "poison/d" + std::to_string(n % kDevices) + "/in"; }

std::string PayloadOf(int64_t n, const std::string& note) {
  return nlohmann::json{{"n", n}, {"note", n == kPoison ? note : ""}}.dump();
}

// As a service manager does: starts it until it is ready. Returns the starts that did not get so
// far.
int StartUntilReady(GatewayProcess& gateway) {
  int crashed = 0;
  while (crashed < 10 && !gateway.Start()) ++crashed;
  return crashed;
}

class PoisonTest : public ::testing::TestWithParam<const char*> {
 protected:
  PoisonTest() {
    EXPECT_TRUE(broker_.Start().ok());
    configuration_ = nlohmann::json::parse(R"({
      "mqtt": { "reconnect_max": "1s" },
      "models": [ { "name": "fatal" } ],
      "routes": [ { "topic": "poison/{id}/in", "model": "fatal", "qos": 1, "payload": "json" } ],
      "store": { "snapshot_every": "1h" },
      "shards": 4 })");
    configuration_["models"][0]["plugin"] = PluginPath("fatal");
  }
  // Publishes all messages and returns when the broker has them.
  void Publish(const std::string& note) {
    const auto publisher =
        mqtt::MakePahoPublisher({.uri = broker_.uri(), .client_id = "poisoner"}, {});
    ASSERT_TRUE(publisher->Connect().ok());
    std::vector<mqtt::Publisher::Token> acknowledged;
    for (int64_t n = 1; n <= kMessages && publisher->is_connected();) {
      if (publisher->Publish({.topic = TopicOf(n), .payload = PayloadOf(n, note)}).ok()) {
        ++n;
      } else {
        publisher->Acknowledged(acknowledged, std::chrono::milliseconds(100));
      }
    }
    while (acknowledged.size() < kMessages && publisher->is_connected())
      publisher->Acknowledged(acknowledged, std::chrono::milliseconds(100));
    ASSERT_EQ(acknowledged.size(), kMessages);
    publisher->Disconnect();
  }
  static void ExpectAllButPoison(const GatewayProcess& gateway) {
    for (int64_t device = 0; device < kDevices; ++device) {
      int64_t counted = 0;
      int64_t sum = 0;
      for (int64_t n = 1; n <= kMessages; ++n) {
        if (n % kDevices != device || n == kPoison) continue;
        ++counted;
        sum += n;
      }
      const auto state =
          gateway.Get("/api/v1/twins/fatal/d" + std::to_string(device)).Json()["state"];
      EXPECT_EQ(state["counted"], counted) << "device " << device;
      EXPECT_EQ(state["sum"], sum) << "device " << device;
    }
  }

  Broker broker_{{.is_persistent = true}};
  nlohmann::json configuration_;
};

TEST_P(PoisonTest, CostsTwoCrashedStartsThenAllOthersCount) {
  configuration_["routes"][0]["message_id"] = "/n";
  GatewayProcess gateway(broker_, configuration_);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Tail letters(broker_, {"gemel/deadletter/#"});
  Publish(GetParam());
  ASSERT_TRUE(gateway.AwaitEnd(support::kPatience)) << "the first crash";
  EXPECT_EQ(StartUntilReady(gateway), 1) << "crashed starts after the first one";
  EXPECT_NE(gateway.errors().find("set_aside="), std::string::npos) << gateway.errors();
  const std::string refused = R"(gemel_messages_refused_total{reason="model_crashed"})";
  EXPECT_TRUE(gateway.AwaitMetric(refused, 1));
  ASSERT_TRUE(gateway.AwaitMetric(R"(gemel_messages_applied_total{model="fatal"})", kMessages - 1))
      << gateway.errors();
  ASSERT_TRUE(letters.WaitForCount(1));
  EXPECT_EQ(letters.seen()[0].topic, "gemel/deadletter/model_crashed");
  const auto letter = nlohmann::json::parse(letters.seen()[0].payload);
  EXPECT_EQ(letter["topic"], TopicOf(kPoison));
  EXPECT_EQ(letter["payload_base64"].get<std::string>().size(),
            (PayloadOf(kPoison, GetParam()).size() + 2) / 3 * 4);
  EXPECT_GT(letter["lsn"], 0);
  ExpectAllButPoison(gateway);

  // No snapshot was taken, so all is replayed, by a process that knows of it from the journal.
  gateway.Kill();
  EXPECT_EQ(StartUntilReady(gateway), 0) << gateway.errors();
  ExpectAllButPoison(gateway);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

INSTANTIATE_TEST_SUITE_P(Each, PoisonTest, ::testing::Values("segv", "abort", "exit", "recurse"),
                         [](const auto& input) { return std::string(input.param); });

TEST_F(PoisonTest, ATimerThatEndsTheProcessIsToldToTheModelTwiceAndNoMore) {
  configuration_["routes"][0]["message_id"] = "/n";
  GatewayProcess gateway(broker_, configuration_);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Publish("timer");
  ASSERT_TRUE(gateway.AwaitEnd(support::kPatience)) << "the first crash";
  EXPECT_EQ(StartUntilReady(gateway), 1) << "crashed starts after the first one";
  EXPECT_TRUE(gateway.AwaitMetric(R"(gemel_messages_refused_total{reason="model_crashed"})", 1));
  EXPECT_TRUE(gateway.AwaitMetric(R"(gemel_messages_applied_total{model="fatal"})", kMessages));
  for (int start = 0; start < 2; ++start) {
    const auto twin =
        gateway.Get("/api/v1/twins/fatal/d" + std::to_string(kPoison % kDevices)).Json();
    EXPECT_EQ(twin["timers"], nlohmann::json::array()) << "it is over";
    gateway.Kill();
    EXPECT_EQ(StartUntilReady(gateway), 0) << gateway.errors();
  }
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

// Whether the first crash comes before the broker hears that the message is safe is chance; if it
// does the message comes again, and nothing on this route can recognise it.
TEST_F(PoisonTest, SentAgainByTheBrokerItIsRefusedOnARouteWithoutAMessageId) {
  GatewayProcess gateway(broker_, configuration_);
  ASSERT_TRUE(gateway.Start({"GEMEL_CRASH_AT=journal.written:" + std::to_string(kPoison)}));
  Publish("segv");
  ASSERT_TRUE(gateway.AwaitEnd(support::kPatience));
  // It is in the journal and was not acknowledged.
  EXPECT_EQ(StartUntilReady(gateway), 2) << gateway.errors();
  EXPECT_TRUE(gateway.AwaitMetric(R"(gemel_messages_refused_total{reason="model_crashed"})", 2));
  EXPECT_TRUE(gateway.AwaitMetric(R"(gemel_messages_applied_total{model="fatal"})", kMessages - 1));
  EXPECT_TRUE(gateway.is_running()) << gateway.errors();
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

TEST_F(PoisonTest, AKillInTheMiddleOfARecordIsForgottenOnceItIsApplied) {
  configuration_["routes"][0]["message_id"] = "/n";
  GatewayProcess gateway(broker_, configuration_);
  ASSERT_TRUE(gateway.Start({"GEMEL_CRASH_AT=engine.before_model:100"}));
  Publish("");
  ASSERT_TRUE(gateway.AwaitEnd(support::kPatience));
  for (int kill = 0; kill < 3; ++kill) {
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    gateway.Kill();
  }
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  EXPECT_TRUE(gateway.AwaitMetric(R"(gemel_messages_applied_total{model="fatal"})", kMessages));
  EXPECT_EQ(gateway.Metric(R"(gemel_messages_refused_total{reason="model_crashed"})"), 0);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

}  // namespace
}  // namespace gemel::scenario
