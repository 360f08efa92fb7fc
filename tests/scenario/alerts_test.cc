// The real program, a real broker, and people who list, acknowledge and look back at alerts.

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/playback.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class AlertsScenario : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(broker_.Start().ok()); }

  static json Configuration() {
    json configuration = EchoConfiguration();
    configuration["routes"][0]["message_id"] = "/n";
    return configuration;
  }
  void Say(const std::string& device, bool is_high) {
    ASSERT_TRUE(support::Publish(broker_, "scenario/wa/" + device + "/in",
                                 fmt::format(R"({{"n":{},"value":{}}})", ++n_, is_high ? 200 : 1))
                    .ok());
  }
  // What a program prints; it must end well.
  static std::string Run(const GatewayProcess& gateway, std::vector<std::string> arguments) {
    arguments.emplace_back("--server");
    arguments.push_back("http://127.0.0.1:" + std::to_string(gateway.http_port()));
    Outcome outcome = Gemel(std::move(arguments));
    EXPECT_EQ(outcome.code, 0) << outcome.errors;
    return std::move(outcome.output);
  }
  // "twin status" of those that are listed.
  static std::vector<std::string> Listed(const GatewayProcess& gateway) {
    std::vector<std::string> listed;
    for (const json& alert : gateway.Get("/api/v1/alerts").Json())
      listed.push_back(alert["twin"].get<std::string>() + " " + alert["status"].get<std::string>());
    return listed;
  }
  static std::string IdOf(const GatewayProcess& gateway, const std::string& twin) {
    for (const json& alert : gateway.Get("/api/v1/alerts").Json()) {
      if (alert["twin"] == twin) return alert["id"];
    }
    return "";
  }
  // What has become of a twin's alerts, oldest first.
  static std::vector<std::string> History(const GatewayProcess& gateway, const std::string& twin) {
    std::vector<std::string> changes;
    const HttpAnswer answer =
        gateway.Get("/api/v1/alerts/history?limit=100000&twin=echo%2F" + twin);
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) return changes;
    for (const json& row : answer.Json()) changes.insert(changes.begin(), row["change"]);
    return changes;
  }

  Broker broker_{{.is_persistent = true}};
  int n_ = 0;
};

TEST_F(AlertsScenario, AcknowledgedByProgramAndByMessageItIsRememberedOverAKill) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Tail alerts(broker_, {"gemel/alerts/+/+/+/+"});
  support::Tail letters(broker_, {"gemel/deadletter/#"});
  for (const char* device : {"d1", "d2", "d3"}) Say(device, true);
  Say("d3", false);
  ASSERT_TRUE(alerts.WaitForCount(5));
  EXPECT_THAT(Listed(gateway),
              UnorderedElementsAre("d1 active_unacked", "d2 active_unacked", "d3 cleared_unacked"));
  EXPECT_THAT(Run(gateway, {"alerts", "--status", "active_unacked"}),
              AllOf(HasSubstr("echo/d1"), HasSubstr("too_high"), Not(HasSubstr("echo/d3"))));

  const std::string first = IdOf(gateway, "d1");
  EXPECT_EQ(Run(gateway, {"alerts", "ack", first, "--by", "anna", "--comment", "on its way"}),
            first + ": active_acked, acknowledged by anna\n");
  ASSERT_TRUE(
      support::Publish(broker_, "gemel/alerts/ack/" + IdOf(gateway, "d2"), R"({"by":"bert"})")
          .ok());
  ASSERT_TRUE(support::Publish(broker_, "gemel/alerts/ack/a-1-0", R"({"by":"bert"})").ok());
  ASSERT_TRUE(letters.WaitForCount(1));
  EXPECT_EQ(letters.seen()[0].topic, "gemel/deadletter/ack_invalid");
  ASSERT_TRUE(alerts.WaitForCount(7));
  const json acked = json::parse(alerts.seen()[5].payload);
  EXPECT_EQ(acked["id"], first);
  EXPECT_EQ(acked["status"], "active_acked");
  EXPECT_EQ(acked["comment"], "on its way");

  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  EXPECT_THAT(Listed(gateway),
              UnorderedElementsAre("d1 active_acked", "d2 active_acked", "d3 cleared_unacked"));
  Run(gateway, {"alerts", "ack", IdOf(gateway, "d3"), "--by", "anna"});
  Say("d1", false);
  ASSERT_TRUE(gateway.AwaitQuiet());
  EXPECT_THAT(Listed(gateway), ElementsAre("d2 active_acked"));
  support::Tail late(broker_, {"gemel/alerts/+/+/+/+"});
  ASSERT_TRUE(late.WaitForCount(1));
  const json retained = json::parse(late.seen()[0].payload);
  EXPECT_EQ(retained["status"], "active_acked");
  EXPECT_EQ(retained["acked_by"], "bert");

  EXPECT_THAT(History(gateway, "d1"), ElementsAre("raised", "acknowledged", "cleared"));
  EXPECT_THAT(History(gateway, "d2"), ElementsAre("raised", "acknowledged"));
  EXPECT_THAT(History(gateway, "d3"), ElementsAre("raised", "cleared", "acknowledged"));
  EXPECT_THAT(Run(gateway, {"alerts", "history", "--twin", "echo/d3", "--since", "1h"}),
              HasSubstr("acknowledged"));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

TEST_F(AlertsScenario, AnAckOfNothingIsNo) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Process program({GemelProgram(), "alerts", "ack", "a-1-0", "--server",
                            "http://127.0.0.1:" + std::to_string(gateway.http_port())});
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(program.errors(), HasSubstr("no alert a-1-0 is active"));
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

// Raised and cleared in turn, every change is told once, whatever a kill comes between.
TEST_F(AlertsScenario, KilledAnywhereTheHistoryHasEachChangeOnce) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr const char* kPlaces[] = {"engine.after_model:7",  "history.before_commit:2",
                                     "store.scanned:2",       "store.before_commit:2",
                                     "store.committed:2",     "sender.recorded:3",
                                     "store.before_commit:1", "history.before_commit:1"};
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  std::map<std::string, std::vector<std::string>> expected;
  const auto say_some = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) {
      const std::string device = "d" + std::to_string(random() % 4);
      const bool is_high = expected[device].size() % 2 == 0;
      Say(device, is_high);
      expected[device].push_back(is_high ? "raised" : "cleared");
    }
  };
  say_some(10);
  for (const char* place : kPlaces) {
    gateway.Kill();
    // It may die before it is ready, or not at all; the broker keeps what is said meanwhile.
    gateway.Start({std::string("GEMEL_CRASH_AT=") + place});
    say_some(8);
    gateway.AwaitEnd(std::chrono::milliseconds(1'500));
  }
  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  ASSERT_TRUE(gateway.AwaitQuiet());
  for (const auto& [device, changes] : expected) EXPECT_EQ(History(gateway, device), changes);
  EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
}

}  // namespace
}  // namespace gemel::scenario
