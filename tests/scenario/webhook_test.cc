// The real program, a real broker, and a webhook that takes alerts or does not. Killed, the gateway
// posts what was not taken under the same id, and nothing twice that it has recorded.

#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/paho_publisher.h"
#include "tests/scenario/gateway_process.h"
#include "tests/support/http_receiver.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using support::HttpReceiver;
using support::HttpReply;
using support::HttpRequest;
using support::kPatience;
using support::Reply;

class WebhookScenario : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(broker_.Start().ok()); }

  nlohmann::json Configuration() const {
    nlohmann::json configuration = EchoConfiguration();
    configuration["routes"][0]["message_id"] = "/n";
    configuration["webhooks"] = {{{"name", "pager"}, {"url", receiver_.url()}}};
    return configuration;
  }
  // Has device d<k> raise an alert, or clear it: one POST each. Returns once the broker has it.
  void Say(int device, bool is_raised) { SayAll(device, {is_raised}); }
  void SayAll(int device, const std::vector<bool>& are_raised) {
    const auto publisher =
        mqtt::MakePahoPublisher({.uri = broker_.uri(), .client_id = "device"}, {});
    ASSERT_TRUE(publisher->Connect().ok());
    std::vector<mqtt::Publisher::Token> tokens;
    const auto collect = [&] { publisher->Acknowledged(tokens, std::chrono::milliseconds(100)); };
    for (const bool is_raised : are_raised) {
      const mqtt::Outbound message{.topic = "scenario/wa/d" + std::to_string(device) + "/in",
                                   .payload = R"({"n":)" + std::to_string(++n_) + R"(,"value":)" +
                                              (is_raised ? "200" : "1") + "}"};
      while (!publisher->Publish(message).ok() && publisher->is_connected()) collect();
    }
    while (tokens.size() < are_raised.size() && publisher->is_connected()) collect();
    publisher->Disconnect();
  }
  // Two hundred alerts, of which a small outbox holds less than half.
  nlohmann::json WithSmallOutbox(const char* when_full) {
    nlohmann::json configuration = Configuration();
    configuration["mqtt"]["keepalive"] = "4s";  // a quarter of which intake waits
    configuration["webhooks"][0]["outbox"] = {{"size", "64KiB"}, {"when_full", when_full}};
    return configuration;
  }
  static std::vector<bool> TwoHundred() {
    std::vector<bool> are_raised;
    are_raised.reserve(200);
    for (int i = 0; i < 200; ++i) are_raised.push_back(i % 2 == 0);
    return are_raised;
  }
  // Each POST in order, as "id status".
  std::vector<std::string> Posts() const {
    std::vector<std::string> posts;
    for (const HttpRequest& request : receiver_.received()) {
      posts.push_back(request.headers.at("idempotency-key") + " " +
                      nlohmann::json::parse(request.body)["status"].get<std::string>());
    }
    return posts;
  }
  static double Delivered(const GatewayProcess& gateway) { return gateway.Metric(kDelivered); }
  static constexpr const char* kDelivered =
      R"(gemel_webhook_deliveries_total{webhook="pager",outcome="delivered"})";

  Broker broker_{{.is_persistent = true}};
  HttpReceiver receiver_;
  int n_ = 0;
};

TEST_F(WebhookScenario, AnAlertIsPostedAsItIsPublished) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Tail alerts(broker_, {"gemel/alerts/#"});
  Say(1, true);
  ASSERT_TRUE(receiver_.AwaitCount(1));
  Say(1, false);
  ASSERT_TRUE(receiver_.AwaitCount(2));
  ASSERT_TRUE(alerts.WaitForCount(3));
  const auto published = alerts.seen();
  const auto received = receiver_.received();
  EXPECT_EQ(received[0].body, published[0].payload);
  EXPECT_EQ(received[1].body, published[1].payload);
  EXPECT_NE(received[0].headers.at("idempotency-key"), received[1].headers.at("idempotency-key"));
  EXPECT_TRUE(gateway.AwaitMetric(kDelivered, 2));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

TEST_F(WebhookScenario, KilledBeforeTheAnswerItPostsAgainUnderTheSameId) {
  receiver_.SetAnswer([](const HttpRequest&) -> HttpReply {
    return {.bytes = "", .then = HttpReply::Then::kHang};
  });
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, true);
  ASSERT_TRUE(receiver_.AwaitCount(1));
  gateway.Kill();
  receiver_.SetAnswer([](const HttpRequest&) { return Reply(200); });
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  ASSERT_TRUE(receiver_.AwaitCount(2));
  EXPECT_TRUE(gateway.AwaitMetric(kDelivered, 1));
  const auto posts = Posts();
  EXPECT_EQ(posts[0], posts[1]);
  EXPECT_EQ(receiver_.received()[0].body, receiver_.received()[1].body);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

// What waits for a webhook is not the import's business, and what an import raises is the
// webhook's.
TEST_F(WebhookScenario, AnImportKeepsWhatWaitsAndAddsWhatItRaises) {
  receiver_.SetAnswer([](const HttpRequest&) { return Reply(503); });
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, true);
  ASSERT_TRUE(receiver_.AwaitCount(1));
  const std::string before = receiver_.received()[0].headers.at("idempotency-key");
  ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();

  const std::string configuration = (gateway.folder() / "gemel.json").string();
  support::Process exporting({GemelProgram(), "export", "--config", configuration});
  std::string line = exporting.ReadLine().value_or("");
  ASSERT_EQ(exporting.Wait(), 0) << exporting.errors();
  nlohmann::json twin = nlohmann::json::parse(line);
  ASSERT_EQ(twin["alerts"].size(), 1U);
  twin["id"] = "d2";
  const std::string file = (gateway.folder() / "twins.jsonl").string();
  std::ofstream(file) << twin.dump() << '\n';
  support::Process importing({GemelProgram(), "import", file, "--config", configuration});
  ASSERT_EQ(importing.Wait(), 0) << importing.errors();

  const size_t refused = receiver_.received().size();
  receiver_.SetAnswer([](const HttpRequest&) { return Reply(200); });
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  ASSERT_TRUE(gateway.AwaitMetric(kDelivered, 2)) << gateway.errors();
  std::map<std::string, std::string> posted;  // by twin
  const std::vector<HttpRequest> received = receiver_.received();
  for (size_t i = refused; i < received.size(); ++i) {
    posted[nlohmann::json::parse(received[i].body)["twin"]] =
        received[i].headers.at("idempotency-key");
  }
  EXPECT_EQ(posted["d1"], before);
  EXPECT_TRUE(posted.contains("d2"));
  EXPECT_NE(posted["d2"], before);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

// At the worst moments: answered but not recorded, which may come twice; and just recorded, which
// may not.
TEST_F(WebhookScenario, KilledAfterTheAnswerOnlyWhatIsNotRecordedIsPostedAgain) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start({"GEMEL_CRASH_AT=webhook.answered:1"})) << gateway.errors();
  Say(1, true);
  ASSERT_TRUE(gateway.AwaitEnd(kPatience));
  ASSERT_EQ(Posts().size(), 1u);
  gateway.Start({"GEMEL_CRASH_AT=webhook.recorded:1"});  // so soon that it may not become ready
  ASSERT_TRUE(gateway.AwaitEnd(kPatience));
  ASSERT_EQ(Posts().size(), 2u);
  EXPECT_EQ(Posts()[0], Posts()[1]);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, false);
  ASSERT_TRUE(receiver_.AwaitCount(3));
  EXPECT_TRUE(Posts()[2].ends_with(" cleared_unacked")) << "and not the first one once more";
  EXPECT_TRUE(gateway.AwaitMetric(kDelivered, 1));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  EXPECT_EQ(Posts().size(), 3u);
}

TEST_F(WebhookScenario, WhatWaitsOutlivesStopsAndComesInOrderOnceTheWebhookIsBack) {
  receiver_.Close();
  nlohmann::json configuration = Configuration();
  configuration["store"]["snapshot_every"] = "100ms";
  GatewayProcess gateway(broker_, configuration);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  for (int i = 0; i < 6; ++i) {
    Say(1, i % 2 == 0);
    Say(2, i % 2 == 0);
  }
  ASSERT_TRUE(gateway.AwaitMetric(R"(gemel_webhook_effects{webhook="pager"})", 12));
  EXPECT_EQ(gateway.Get("/readyz").status, 200) << "a webhook that is away holds nobody";
  ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  EXPECT_EQ(gateway.Metric(R"(gemel_webhook_effects{webhook="pager"})"), 12);
  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  receiver_.Open();
  ASSERT_TRUE(receiver_.AwaitCount(12));
  EXPECT_TRUE(gateway.AwaitMetric(kDelivered, 12));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  std::map<std::string, std::vector<std::string>> by_twin;
  for (const HttpRequest& request : receiver_.received()) {
    const auto alert = nlohmann::json::parse(request.body);
    by_twin[alert["twin"]].push_back(alert["status"]);
  }
  const std::vector<std::string> wanted = {"active_unacked",  "cleared_unacked", "active_unacked",
                                           "cleared_unacked", "active_unacked",  "cleared_unacked"};
  EXPECT_EQ(by_twin["d1"], wanted);
  EXPECT_EQ(by_twin["d2"], wanted);
}

TEST_F(WebhookScenario, OfAWebhookThatIsGoneNothingIsSentAndThatIsSaid) {
  receiver_.Close();
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, true);
  ASSERT_TRUE(gateway.AwaitMetric(R"(gemel_webhook_effects{webhook="pager"})", 1));
  ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
  receiver_.Open();
  ASSERT_TRUE(gateway.Start({"GEMEL__WEBHOOKS__0__NAME=chat"})) << gateway.errors();
  EXPECT_THAT(gateway.errors(), testing::HasSubstr("webhook=gone name=\"pager\" dropped=1"));
  Say(1, false);
  ASSERT_TRUE(receiver_.AwaitCount(1));
  EXPECT_TRUE(Posts()[0].ends_with(" cleared_unacked"));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

TEST_F(WebhookScenario, ARefusalIsRecordedAndSecretsAreInNoLog) {
  receiver_.SetAnswer([](const HttpRequest&) { return Reply(401); });
  nlohmann::json configuration = Configuration();
  configuration["webhooks"][0]["url"] = receiver_.url("/T0/topsecret");
  GatewayProcess gateway(broker_, configuration);
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, true);
  EXPECT_TRUE(gateway.AwaitMetric(
      R"(gemel_webhook_deliveries_total{webhook="pager",outcome="failed"})", 1));
  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Say(1, false);
  ASSERT_TRUE(receiver_.AwaitCount(2));
  EXPECT_TRUE(Posts()[1].ends_with(" cleared_unacked")) << "what was refused has ended";
  EXPECT_EQ(gateway.Stop(), 0);
  EXPECT_THAT(gateway.errors(), testing::Not(testing::HasSubstr("topsecret")));
  EXPECT_THAT(gateway.errors(), testing::HasSubstr("it answers with status 401"));
}

TEST_F(WebhookScenario, AFullOutboxHoldsIntakeAndNothingIsLost) {
  receiver_.Close();
  GatewayProcess gateway(broker_, WithSmallOutbox("hold"));
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  SayAll(1, TwoHundred());
  ASSERT_TRUE(gateway.AwaitMetric(R"(gemel_webhook_effects{webhook="pager"})", 60));
  SayAll(2, {true});  // which finds it full
  ASSERT_TRUE(gateway.AwaitHttp("/readyz", 503, kPatience));
  EXPECT_THAT(gateway.Get("/readyz").body, testing::HasSubstr("pager"));
  receiver_.Open();
  EXPECT_TRUE(gateway.AwaitMetric(kDelivered, 201)) << gateway.errors();
  EXPECT_TRUE(gateway.AwaitReceiving());
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  const auto posts = Posts();
  EXPECT_EQ(std::set<std::string>(posts.begin(), posts.end()).size(), 201u);
}

TEST_F(WebhookScenario, ToldToDropTheOldestItHoldsNobodyAndCounts) {
  receiver_.Close();
  GatewayProcess gateway(broker_, WithSmallOutbox("drop-oldest"));
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  SayAll(1, TwoHundred());
  constexpr const char* kDropped =
      R"(gemel_webhook_deliveries_total{webhook="pager",outcome="dropped"})";
  ASSERT_TRUE(gateway.AwaitMetric(R"(gemel_messages_applied_total{model="echo"})", 200));
  EXPECT_EQ(gateway.Get("/readyz").status, 200);
  receiver_.Open();
  // The last may be dropped after it was applied.
  const auto ended = [&] { return gateway.Metric(kDelivered) + gateway.Metric(kDropped); };
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (ended() < 200 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(ended(), 200) << gateway.errors();
  EXPECT_GT(gateway.Metric(kDropped), 100);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
  EXPECT_THAT(gateway.errors(), testing::HasSubstr("webhook=dropped name=\"pager\""));
}

}  // namespace
}  // namespace gemel::scenario
