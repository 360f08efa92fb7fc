// The real program, a real broker, and models that are scripts.

#include <filesystem>
#include <fstream>
#include <string>

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
using testing::HasSubstr;

constexpr const char* kScript = R"(
local function check(value)
  if value > 100 then while true do end end
  if value < 0 then error("value is negative") end
end
return {
  name = "room", meaning = "A room.", parameters = { limit = 8.0 },
  fields = {
    { name = "value", type = "double", from = "telemetry", meaning = "A number." },
    { name = "sum", type = "double", default = 0, meaning = "Of all values." },
  },
  on_telemetry = function(state, message, context)
    check(state.value)
    state.sum = state.sum + state.value
    if state.value > parameters.limit then
      context:reply("lower", { to = parameters.limit })
      context:raise("major", "too_high", "Too high", { value = state.value })
    else
      context:clear("too_high")
    end
  end,
}
)";

class ScriptScenario : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(broker_.Start().ok());
    std::ofstream(folder_ / "room.lua") << kScript;
  }
  json Configuration() const {
    return {{"models",
             {{{"name", "room"},
               {"script", (folder_ / "room.lua").string()},
               {"parameters", {{"limit", 5}}}}}},
            {"routes",
             {{{"topic", "rooms/{id}/in"}, {"model", "room"}, {"command", "rooms/{id}/out"}}}},
            {"shards", 2},
            {"limits", {{"script_instructions", 10'000}}}};
  }
  void Say(const std::string& room, double value) {
    ASSERT_TRUE(
        support::Publish(broker_, "rooms/" + room + "/in", fmt::format(R"({{"value":{}}})", value))
            .ok());
  }
  static json State(const GatewayProcess& gateway, const std::string& room) {
    return gateway.Get("/api/v1/twins/room/" + room).Json()["state"];
  }

  Broker broker_{{.is_persistent = true}};
  support::TempDir folder_;
};

TEST_F(ScriptScenario, AnswersAlertsAndIsTheSameAfterAKill) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Tail seen(broker_, {"rooms/+/out", "gemel/alerts/#"});
  Say("a", 4);
  Say("a", 6);
  ASSERT_TRUE(seen.WaitForCount(2));
  for (const support::Seen& one : seen.seen()) {
    const json payload = json::parse(one.payload);
    if (one.topic == "rooms/a/out") {
      EXPECT_EQ(payload["args"], json({{"to", 5.0}}));
    } else {
      EXPECT_EQ(one.topic, "gemel/alerts/major/room/a/too_high");
      EXPECT_EQ(payload["properties"], json({{"value", 6.0}}));
    }
  }
  gateway.Kill();
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  EXPECT_EQ(State(gateway, "a")["sum"], 10.0);
  EXPECT_EQ(gateway.Get("/api/v1/twins/room/a").Json()["alerts"].size(), 1u);
}

TEST_F(ScriptScenario, OneThatFailsOrRunsForEverStopsNoOther) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  support::Tail letters(broker_, {"gemel/deadletter/model_failed"});
  Say("good", 1);
  Say("bad", -1);
  Say("endless", 101);
  Say("good", 2);
  ASSERT_TRUE(letters.WaitForCount(2));
  std::vector<std::string> errors;
  for (const support::Seen& letter : letters.seen())
    errors.push_back(json::parse(letter.payload)["error"]);
  EXPECT_THAT(errors, testing::UnorderedElementsAre(
                          HasSubstr("room.lua:4: value is negative"),
                          HasSubstr("room.lua:3: ran for more than 10000 instructions")));
  ASSERT_TRUE(gateway.AwaitMetric("gemel_messages_applied_total{model=\"room\"}", 2));
  EXPECT_EQ(State(gateway, "good")["sum"], 3.0);
  EXPECT_EQ(gateway.Get("/api/v1/twins/room/bad").status, 404) << "it was never made";
}

TEST_F(ScriptScenario, ARecordingHoldsItAndFoldsToTheSame) {
  GatewayProcess gateway(broker_, Configuration());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  for (int i = 0; i < 20; ++i) Say(fmt::format("r{}", i % 3), i % 9);
  Say("r0", -1);
  ASSERT_TRUE(gateway.AwaitMetric("gemel_messages_applied_total{model=\"room\"}", 20));
  ASSERT_EQ(gateway.Stop(), 0) << gateway.errors();
  const std::filesystem::path recording = folder_ / "recording";
  const Outcome recorded = Gemel({"record", recording.string(), "--config",
                                  (gateway.folder() / "gemel.json").string(), "--for", "0s"});
  ASSERT_EQ(recorded.code, 0) << recorded.errors;
  EXPECT_TRUE(std::filesystem::exists(recording / "models/room/room.lua"));
  std::filesystem::remove(folder_ / "room.lua");
  const Outcome replayed = Gemel({"replay", recording.string(), "--offline"});
  EXPECT_EQ(replayed.code, 0) << replayed.output << replayed.errors;

  // Another script than was recorded is not run, whatever it says.
  std::ofstream(recording / "models/room/room.lua", std::ios::app) << "-- changed\n";
  const Outcome changed = Gemel({"replay", recording.string(), "--offline"});
  EXPECT_EQ(changed.code, 3);
  EXPECT_THAT(changed.errors, HasSubstr("room.lua: it is another"));
}

TEST_F(ScriptScenario, AScriptThatCannotBeReadKeepsTheGatewayFromStarting) {
  std::ofstream(folder_ / "room.lua") << "return {\n  name = 5 +\n}\n";
  GatewayProcess gateway(broker_, Configuration());
  EXPECT_FALSE(gateway.Start());
  EXPECT_THAT(gateway.errors(), HasSubstr("room.lua:3:"));
}

}  // namespace
}  // namespace gemel::scenario
