// Commands that devices answer, with the real broker between.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/scenario/playback.h"
#include "tests/support/raw_client.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using support::RawClient;

// A device with a persistent session, which answers commands whose time is not over.
class Device {
 public:
  Device(const Broker& broker, int64_t number)
      : port_(broker.port()), name_(fmt::format("d{}", number)) {}

  // Makes the broker keep what comes for it from now on, and goes.
  Status Enrol() {
    RawClient client;
    GEMEL_TRY(client.Resume(port_, name_, {}));
    return client.Subscribe("scenario/wa/" + name_ + "/out", 1);
  }
  // Comes back until it has got this many commands that never expire, and answers each time.
  Status Return(size_t wanted) {
    RawClient client;
    const RawClient::OnMessage take = [&](std::string_view, std::string_view payload) {
      const json command = json::parse(payload);
      const std::string id = command["id"];
      if (command.contains("expires_ms")) return;
      ++heard_[id];
      client.Publish("scenario/wa/" + name_ + "/ack",
                     fmt::format(R"({{"id":"{}","status":"successful"}})", id));
    };
    GEMEL_TRY(client.Resume(port_, name_, take));
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (heard_.size() < wanted || client.in_flight() > 0) {
      if (std::chrono::steady_clock::now() > until) return Unavailable(name_ + " hears nothing");
      GEMEL_TRY(client.Pump(std::chrono::milliseconds(20), take));
    }
    return Status::Ok();
  }
  const std::map<std::string, int>& heard() const { return heard_; }

 private:
  const uint16_t port_;
  const std::string name_;
  std::map<std::string, int> heard_;  // how often, by id
};

std::string Ended(std::string_view status) {
  return fmt::format("gemel_commands_total{{model=\"echo\",status=\"{}\"}}", status);
}

class CommandsScenario : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(broker_.Start().ok()); }
  static json Configuration() {
    json configuration = EchoConfiguration();
    configuration["routes"][0]["command_ack"] = "scenario/{region}/{id}/ack";
    return configuration;
  }
  void Say(const std::string& device, const std::string& payload) {
    ASSERT_TRUE(support::Publish(broker_, "scenario/wa/" + device + "/in", payload).ok());
  }
  static json Commands(const GatewayProcess& gateway, const std::string& filter) {
    return gateway.Get("/api/v1/commands?limit=100000&" + filter).Json();
  }

  Broker broker_{{.is_persistent = true}};
};

// GEMEL_DEVICES=10000 makes it the one of tests/long.
TEST_F(CommandsScenario, DevicesThatDropOffAndReturnGetWhatHasTimeLeft) {
  const int64_t count = FromEnvironment("GEMEL_DEVICES", 300);
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  std::vector<Device> devices;
  for (int64_t i = 1; i <= count; ++i) {
    devices.emplace_back(broker_, i);
    ASSERT_TRUE(devices.back().Enrol().ok());
  }
  RawClient source;
  ASSERT_TRUE(source.Connect(broker_.port(), "source").ok());
  for (int64_t i = 1; i <= count; ++i) {
    const std::string topic = fmt::format("scenario/wa/d{}/in", i);
    source.Publish(topic, fmt::format(R"({{"n":{},"note":"soon"}})", 2 * i - 1));
    source.Publish(topic, fmt::format(R"({{"n":{},"note":"-"}})", 2 * i));
    while (source.in_flight() > 50) ASSERT_TRUE(source.Pump(std::chrono::milliseconds(5)).ok());
  }
  while (source.in_flight() > 0) ASSERT_TRUE(source.Pump(std::chrono::milliseconds(5)).ok());
  const auto all = static_cast<double>(count);
  ASSERT_TRUE(gateway.AwaitMetric(Ended("expired"), all)) << gateway.Metric(Ended("expired"));
  ASSERT_TRUE(gateway.AwaitQuiet());
  for (Device& device : devices) ASSERT_TRUE(device.Return(1).ok());
  ASSERT_TRUE(gateway.AwaitMetric(Ended("successful"), all)) << gateway.Metric(Ended("successful"));

  std::set<std::string> heard;
  for (const Device& device : devices) {
    ASSERT_EQ(device.heard().size(), 1u);
    EXPECT_EQ(device.heard().begin()->second, 1) << "heard twice";
    heard.insert(device.heard().begin()->first);
  }
  EXPECT_EQ(heard.size(), devices.size());
  std::set<std::string> successful;
  for (const json& command : Commands(gateway, "status=successful"))
    successful.insert(command["id"]);
  EXPECT_EQ(successful, heard);
  const json expired = Commands(gateway, "status=expired");
  EXPECT_EQ(expired.size(), devices.size());
  for (const json& command : expired) {
    EXPECT_TRUE(command.contains("expires_ms"));
    EXPECT_EQ(command["args"]["n"].get<int64_t>() % 2, 1);
  }
  EXPECT_EQ(Commands(gateway, "status=sent").size(), 0u);
  fmt::print("devices={} heard={} successful={} expired={}\n", count, heard.size(),
             successful.size(), expired.size());
}

TEST_F(CommandsScenario, WhatWaitsForAnAnswerOutlivesAKill) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  Device device(broker_, 1);
  ASSERT_TRUE(device.Enrol().ok());
  Say("d1", R"({"n":1})");
  Say("d1", R"({"n":2,"note":"soon"})");
  ASSERT_TRUE(gateway.AwaitMetric("gemel_messages_applied_total{model=\"echo\"}", 2));
  ASSERT_TRUE(gateway.AwaitQuiet());
  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  // Its time goes on while nobody runs.
  ASSERT_TRUE(gateway.AwaitMetric(Ended("expired"), 1));
  const json before = gateway.Get("/api/v1/twins/echo/d1").Json()["commands"];
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0]["args"]["n"], 1);
  ASSERT_TRUE(device.Return(1).ok());
  ASSERT_TRUE(gateway.AwaitMetric(Ended("successful"), 1));
  EXPECT_EQ(gateway.Get("/api/v1/twins/echo/d1").Json()["commands"].size(), 0u);
  ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  const json all = Commands(gateway, "twin=echo/d1");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["status"], "successful");
  EXPECT_EQ(all[1]["status"], "expired");
}

TEST_F(CommandsScenario, APersonTellsADeviceSomething) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  const std::string server = fmt::format("http://127.0.0.1:{}", gateway.http_port());
  support::Tail commands(broker_, {"scenario/wa/d1/out"});
  EXPECT_EQ(Gemel({"send", "echo/d1", "rest", "--server", server}).code, 1) << "no such twin";
  Say("d1", R"({"n":1})");
  ASSERT_TRUE(commands.WaitForCount(1));
  const auto sent = Gemel({"send", "echo/d1", "rest", R"({"minutes": 30})", "--expires", "10m",
                           "--server", server, "--json"});
  ASSERT_EQ(sent.code, 0) << sent.errors;
  ASSERT_TRUE(commands.WaitForCount(2));
  const json command = json::parse(commands.seen()[1].payload);
  EXPECT_EQ(command["id"], json::parse(sent.output)["id"]);
  EXPECT_EQ(command["name"], "rest");
  EXPECT_EQ(command["args"], json({{"minutes", 30}}));
  EXPECT_EQ(command["expires_ms"].get<int64_t>() - command["time_ms"].get<int64_t>(), 600'000);
  ASSERT_TRUE(
      support::Publish(broker_, "scenario/wa/d1/ack",
                       json({{"id", command["id"]}, {"status", "failed"}, {"reason", "no"}}).dump())
          .ok());
  ASSERT_TRUE(gateway.AwaitMetric(Ended("failed"), 1));
  const json known = Commands(gateway, "id=" + command["id"].get<std::string>());
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0]["reason"], "no");

  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"send", "echo/d1", "Rest!"},
        {"send", "echo/d1", "rest", "[]"},
        {"send", "echo/d1", "rest", "{}", "--expires", "10"},
        {"send", "nothing/d1", "rest"},
        {"send", "echo/" + std::string(200, 'd'), "rest"},
        {"send", "echo", "rest"}}) {
    std::vector<std::string> arguments = wrong;
    arguments.insert(arguments.end(), {"--server", server});
    EXPECT_NE(Gemel(arguments).code, 0) << wrong.back();
  }
  EXPECT_TRUE(gateway.is_running());
}

TEST_F(CommandsScenario, WhatIsNoAnswerIsADeadLetter) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Tail letters(broker_, {"gemel/deadletter/ack_invalid"});
  Say("d1", R"({"n":1})");
  ASSERT_TRUE(support::Publish(broker_, "scenario/wa/d1/ack", "{}").ok());
  ASSERT_TRUE(letters.WaitForCount(1));
  EXPECT_THAT(letters.seen()[0].payload, testing::HasSubstr("id: no text"));
  ASSERT_TRUE(support::Publish(broker_, "scenario/wa/d1/ack", R"({"id":"c-1-0","status":[[[]]]})",
                               {.is_retained = true})
                  .ok());
  ASSERT_TRUE(letters.WaitForCount(2));
  EXPECT_THAT(letters.seen()[1].payload, testing::HasSubstr("status: no text"));
  support::Tail large(broker_, {"gemel/deadletter/payload_too_large"});
  ASSERT_TRUE(support::Publish(broker_, "scenario/wa/d1/ack", std::string(65'537, '[')).ok());
  ASSERT_TRUE(large.WaitForCount(1));
  const std::string nobody(200, 'd');
  support::Tail ids(broker_, {"gemel/deadletter/id_invalid"});
  ASSERT_TRUE(support::Publish(broker_, "scenario/wa/" + nobody + "/ack", "{}").ok());
  ASSERT_TRUE(ids.WaitForCount(1));
  ASSERT_TRUE(
      support::Publish(broker_, "scenario/wa/d1/ack", R"({"id":"c-1-0","status":"successful"})")
          .ok());
  EXPECT_TRUE(gateway.AwaitMetric(Ended("stale_reply"), 1));
}

}  // namespace
}  // namespace gemel::scenario
