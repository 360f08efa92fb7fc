// What is known of devices beside what they say: from a file, a topic and people.

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;

class ProfilesScenario : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(broker_.Start().ok());
    gateway_.emplace(broker_, Configuration());
    WriteFile("room-1,4\nroom-2,5\n");
  }
  static json Configuration() {
    json model = {{"name", "tutorial"},
                  {"plugin", PluginPath("tutorial")},
                  {"profile", "rooms.csv"},
                  {"profile_topic", "scenario/{site}/{id}/profile"}};
    json route = {{"topic", "scenario/{site}/{id}/in"}, {"model", "tutorial"}, {"qos", 1}};
    return {{"models", {model}}, {"routes", {route}}};
  }
  void WriteFile(const std::string& rows) const {
    std::ofstream(gateway_->folder() / "rooms.csv") << "id,limit_c\n" << rows;
  }
  void Say(const std::string& room) {
    ASSERT_TRUE(
        support::Publish(broker_, "scenario/wa/" + room + "/in", R"({"temperature_c": 1})").ok());
  }
  void Retain(const std::string& room, const std::string& profile) {
    ASSERT_TRUE(support::Publish(broker_, "scenario/wa/" + room + "/profile", profile,
                                 {.is_retained = true})
                    .ok());
  }
  json LimitOf(const std::string& room) {
    const HttpAnswer answer = gateway_->Get("/api/v1/twins/tutorial/" + room);
    return answer.status == 200 ? answer.Json()["profile"]["limit_c"] : json("no twin");
  }
  std::string Set(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {
        GemelProgram(), "set", "--server",
        "http://127.0.0.1:" + std::to_string(gateway_->http_port())};
    arguments.insert(arguments.end(), words.begin(), words.end());
    support::Process set(arguments);
    EXPECT_EQ(set.Wait(), 0) << set.errors();
    return set.ReadLine().value_or("");
  }
  bool AwaitLimit(const std::string& room, const json& limit) {
    const auto until = std::chrono::steady_clock::now() + support::kPatience;
    while (LimitOf(room) != limit) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  Broker broker_{{.is_persistent = true}};
  std::optional<GatewayProcess> gateway_;
};

TEST_F(ProfilesScenario, AChangedFileHoldsForTwinsThatWereThereButNotAgainstWhatWasSet) {
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  for (const char* room : {"room-1", "room-2", "room-3"}) Say(room);
  ASSERT_TRUE(gateway_->AwaitMetric("gemel_messages_applied_total{model=\"tutorial\"}", 3));
  EXPECT_EQ(Set({"tutorial/room-2", "limit_c=9"}), "limit_c=9");
  EXPECT_EQ(LimitOf("room-1"), 4);
  EXPECT_EQ(LimitOf("room-2"), 9);
  EXPECT_EQ(LimitOf("room-3"), nullptr);
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();

  WriteFile("room-1,6\nroom-2,7\nroom-3,8\n");
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  const auto expect_new = [this] {
    EXPECT_EQ(LimitOf("room-1"), 6);
    EXPECT_EQ(LimitOf("room-2"), 9);
    EXPECT_EQ(LimitOf("room-3"), 8);
  };
  expect_new();
  gateway_->Kill();
  WriteFile("");
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  expect_new();  // of the journal, because the file says nothing any more
  gateway_->Kill();
  WriteFile("room-2,7\n");
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  EXPECT_EQ(Set({"tutorial/room-2", "--unset", "limit_c"}), "limit_c=7");
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
}

TEST_F(ProfilesScenario, ATopicTellsOfDevicesThatHaveSaidNothingYet) {
  Retain("room-7", R"({"limit_c": 3})");
  Retain("room-8", R"({"limit_c": "cold"})");
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  ASSERT_TRUE(AwaitLimit("room-7", 3)) << gateway_->errors();
  ASSERT_TRUE(gateway_->AwaitMetric("gemel_messages_refused_total{reason=\"field_invalid\"}", 1));
  EXPECT_EQ(LimitOf("room-8"), "no twin");
  Retain("room-7", R"({"limit_c": 2})");
  ASSERT_TRUE(AwaitLimit("room-7", 2));
  gateway_->Kill();
  Retain("room-7", R"({"limit_c": 1})");
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  ASSERT_TRUE(AwaitLimit("room-7", 1)) << "said while the gateway was away";
  Retain("room-7", "");
  ASSERT_TRUE(AwaitLimit("room-7", nullptr)) << "nothing is retained any more";
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
}

}  // namespace
}  // namespace gemel::scenario
