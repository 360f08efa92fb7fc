// `gemel record`, `gemel replay --offline` and `gemel diff` beside a real gateway and broker.

#include "tests/scenario/playback.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/numbered_load.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST_F(PlaybackTest, ARecordingWithAKillInItFoldsToTheSameTwinsWhateverTheShards) {
  StartGateway(Configuration("echo"));
  constexpr int64_t kPerSecond = 500;
  NumberedLoad load(broker_.port(), kPerSecond);
  AwaitApplied("echo", kPerSecond);
  const auto record = StartRecord();
  AwaitApplied("echo", 3 * kPerSecond);
  gateway_->Kill();
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  ASSERT_TRUE(gateway_->AwaitReceiving());
  AwaitApplied("echo", kPerSecond);
  Publish(200);
  load.End();
  record->Signal(SIGINT);
  ASSERT_EQ(record->Wait(), 0) << record->errors();
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();

  for (const char* shards : {"1", "2", "7"}) {
    const Outcome outcome = Replay({"--shards", shards, "--out", (folder_ / shards).string()});
    EXPECT_EQ(outcome.code, 0) << outcome.output << outcome.errors;
    EXPECT_THAT(outcome.output, HasSubstr(" differing=0\n"));
    EXPECT_GT(outcome.Number("records"), 2 * kPerSecond);
    EXPECT_GE(outcome.Number("check twins"), 100);
    EXPECT_EQ(RunOf(folder_ / shards), RunOf(folder_ / "1")) << shards << " shards";
  }
  EXPECT_NE(TextOf(folder_ / "1/effects.jsonl"), "");
  const Outcome same = Gemel({"diff", (folder_ / "1").string(), (folder_ / "7").string()});
  EXPECT_EQ(same.code, 0) << same.output << same.errors;
}

// What decides about repeats stands in the configuration of the connection.
TEST_F(PlaybackTest, TheWindowOfRepeatsIsThatOfTheGateway) {
  for (const int receive_maximum : {10, 1'000}) {
    json configuration = Configuration("echo");
    configuration["mqtt"]["receive_maximum"] = receive_maximum;
    std::filesystem::remove_all(recording());
    Record(configuration, 50);
    const Outcome outcome = Replay({});
    EXPECT_EQ(outcome.code, 0) << receive_maximum << ": " << outcome.output << outcome.errors;
    EXPECT_THAT(outcome.output, HasSubstr("check twins=10 differing=0\n"));
  }
}

TEST_F(PlaybackTest, AFleetBelowTheLimitIsFoldedWhateverTheShards) {
  json configuration = Configuration("echo");
  configuration["limits"]["twins_max"] = 12;
  configuration["shards"] = 1;
  Record(configuration, 50);
  const Outcome outcome = Replay({"--shards", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.output << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("check twins=10 differing=0\n"));
}

TEST_F(PlaybackTest, AModelThatReadsTheWallClockIsFound) {
  Record(Configuration("wall_clock"), 50);
  for (const char* shards : {"1", "7"}) {
    const Outcome outcome = Replay({"--shards", shards, "--out", (folder_ / shards).string()});
    EXPECT_EQ(outcome.code, 1) << outcome.errors;
    EXPECT_THAT(outcome.output, HasSubstr("check twins=10 differing=10\n"));
    EXPECT_THAT(outcome.output, HasSubstr("twin wall_clock/\"d0\": state.heard_us "));
  }
  EXPECT_EQ(Replay({"--no-check"}).code, 0);
  const Outcome differs = Gemel({"diff", (folder_ / "1").string(), (folder_ / "7").string()});
  EXPECT_EQ(differs.code, 1);
  EXPECT_THAT(differs.output, HasSubstr("twin wall_clock/\"d0\": state.heard_us "));
}

TEST_F(PlaybackTest, ABacktestShowsWhatAnotherPlugInWouldHaveDone) {
  Record(Configuration("echo"), 100);
  const std::string out = (folder_ / "out").string();
  const Outcome same = Replay({"--model", "echo=" + PluginPath("echo")});
  EXPECT_EQ(same.code, 0) << same.output << same.errors;
  const Outcome outcome =
      Replay({"--model", "echo=" + PluginPath("strict_echo"), "--out", out, "--json"});
  EXPECT_EQ(outcome.code, 1) << outcome.errors;
  const json difference = json::parse(outcome.output);
  EXPECT_EQ(difference["are_same"], false);
  EXPECT_EQ(difference["commands"]["only_first"], 100);
  EXPECT_EQ(difference["commands"]["only_second"], 0);
  EXPECT_EQ(difference["twins"]["changed"], 10);
  EXPECT_EQ(difference["examples"].size(), 10u);
  // Each value above 50 that follows one below it is an alert, worked out here by itself.
  const auto raised = [](int limit) {
    std::map<int64_t, bool> is_active;
    int64_t changes = 0;
    for (int64_t n = 1; n <= 100; ++n) {
      const bool is_high = n * 37 % 150 > limit;
      if (std::exchange(is_active[n % 10], is_high) != is_high) ++changes;
    }
    return changes;
  };
  const auto count = [&](const std::string& run) {
    int64_t alerts = 0;
    for (const json& effect : ObjectsOf(folder_ / "out" / run / "effects.jsonl"))
      alerts += effect["kind"] == "alert" && !effect["payload"].is_null() ? 1 : 0;
    return alerts;
  };
  EXPECT_EQ(count("recorded"), raised(100));
  EXPECT_EQ(count("tried"), raised(50));
  EXPECT_NE(raised(50), raised(100));
  const json first = ObjectsOf(folder_ / "out/tried/twins.jsonl")[0];
  EXPECT_GT(first["state"]["alarms"], 0);
  EXPECT_FALSE(first["state"].contains("note"));
  EXPECT_EQ(Gemel({"diff", out + "/recorded", out + "/tried"}).code, 1);
}

// A recording is all that a fold looks at.
TEST_F(PlaybackTest, TheEnvironmentOfTheReplayChangesNothing) {
  Record(Configuration("echo"), 20);
  const Outcome outcome = Gemel({"replay", recording().string(), "--offline"},
                                {"GEMEL__MODELS__0__PLUGIN=" + PluginPath("strict_echo"),
                                 "GEMEL__ROOT=elsewhere", "GEMEL__MQTT__USERNAME=somebody"});
  EXPECT_EQ(outcome.code, 0) << outcome.output << outcome.errors;
}

TEST_F(PlaybackTest, RecordSaysWhatIsWrong) {
  StartGateway(Configuration("echo"));
  const auto expect = [&](const std::vector<std::string>& arguments, int code,
                          const std::vector<std::string>& named) {
    const Outcome outcome = Gemel(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.errors;
    EXPECT_EQ(outcome.output, "");
    EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
    for (const std::string& word : named) EXPECT_THAT(outcome.errors, HasSubstr(word));
  };
  const std::string folder = recording().string();
  expect({"record", folder, "--config", configuration(), "--for", "soon"}, 2,
         {"--for", "\"soon\"", "1500ms"});
  expect({"record", folder, "--config", "/nowhere.json"}, 3, {"/nowhere.json"});
  expect({"record", gateway_->folder().path().string(), "--config", configuration(), "--for", "0s"},
         3, {gateway_->folder().path().string(), "there already"});
  EXPECT_EQ(gateway_->Stop(), 0);
  std::filesystem::remove_all(gateway_->folder() / "journal");
  expect({"record", folder, "--config", configuration(), "--for", "0s"}, 3,
         {(gateway_->folder() / "journal").string(), "has this gateway run yet?"});
}

}  // namespace
}  // namespace gemel::scenario
