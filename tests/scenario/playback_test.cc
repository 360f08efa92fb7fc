// `gemel record`, `gemel replay --offline` and `gemel diff` beside a real gateway and broker.

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/data_dir.h"
#include "tests/support/raw_client.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using support::Process;
using testing::HasSubstr;

struct Outcome {
  int code = -1;
  std::string output;
  std::string errors;
  // Value of `name=` in the output; 0 if it is not there.
  int64_t Number(const std::string& name) const {
    const size_t at = output.find(name + "=");
    return at == std::string::npos ? 0 : std::stoll(output.substr(at + name.size() + 1));
  }
};

Outcome Gemel(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
  arguments.insert(arguments.begin(), GemelProgram());
  Process process(std::move(arguments), {.environment = std::move(environment)});
  Outcome outcome;
  while (const auto line = process.ReadLine()) outcome.output += *line + '\n';
  outcome.code = process.Wait().value_or(-1);
  outcome.errors = process.errors();
  return outcome;
}

std::string TextOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The files of a run, for comparison byte by byte.
std::pair<std::string, std::string> RunOf(const std::filesystem::path& folder) {
  return {TextOf(folder / "twins.jsonl"), TextOf(folder / "effects.jsonl")};
}

std::vector<json> ObjectsOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<json> objects;
  for (std::string line; std::getline(file, line);) objects.push_back(json::parse(line));
  return objects;
}

json Configuration(const std::string& model) {
  json configuration = EchoConfiguration();
  configuration["models"] = {{{"name", model}, {"plugin", PluginPath(model)}}};
  configuration["routes"][0]["model"] = model;
  configuration["routes"][0]["sequence"] = "/n";
  configuration["routes"][0]["topic"] =
      model == "echo" ? "scenario/{region}/{id}/in" : "scenario/+/{id}/in";
  if (model != "echo") configuration["routes"][0].erase("command");
  return configuration;
}

class PlaybackTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(broker_.Start().ok()); }

  void StartGateway(const json& configuration) {
    gateway_ = std::make_unique<GatewayProcess>(broker_, configuration);
    ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
    ASSERT_TRUE(gateway_->AwaitReceiving());
  }
  std::string configuration() const { return (gateway_->folder() / "gemel.json").string(); }
  std::filesystem::path recording() const { return folder_ / "recording"; }
  // Numbers 1 to `count` to ten devices, each with a value of 0 to 149.
  void Publish(int64_t count) {
    support::RawClient client;
    ASSERT_TRUE(client.Connect(broker_.port(), "values").ok());
    for (int64_t n = 1; n <= count; ++n) {
      client.Publish(fmt::format("scenario/wa/d{}/in", n % 10),
                     fmt::format(R"({{"n":{},"value":{}}})", n, n * 37 % 150));
    }
    while (client.in_flight() > 0) ASSERT_TRUE(client.Pump(std::chrono::milliseconds(1)).ok());
  }
  void AwaitApplied(const std::string& model, int64_t count) {
    ASSERT_TRUE(
        gateway_->AwaitMetric(fmt::format("gemel_messages_applied_total{{model=\"{}\"}}", model),
                              static_cast<double>(count)));
  }
  // A recorder that has all but the journal's end.
  std::unique_ptr<Process> StartRecord() {
    auto record = std::make_unique<Process>(
        std::vector<std::string>{GemelProgram(), "record", recording().string(), "--config",
                                 configuration(), "--for", "1h"});
    while (!std::filesystem::exists(recording() / "recording.json")) {
      if (record->Wait(std::chrono::milliseconds(20))) {
        ADD_FAILURE() << record->errors();
        break;
      }
    }
    return record;
  }
  // The whole life of a gateway that gets so many messages.
  void Record(const json& configuration, int64_t messages) {
    StartGateway(configuration);
    const auto record = StartRecord();
    Publish(messages);
    AwaitApplied(configuration["models"][0]["name"], messages);
    EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
    record->Signal(SIGINT);
    ASSERT_EQ(record->Wait(), 0) << record->errors();
  }
  Outcome Replay(std::vector<std::string> options) {
    options.insert(options.begin(), {"replay", recording().string(), "--offline"});
    return Gemel(std::move(options));
  }

  support::TempDir folder_;
  Broker broker_{{.is_persistent = true}};
  std::unique_ptr<GatewayProcess> gateway_;
};

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

TEST(PlaybackUsageTest, ReplaySaysWhatIsWrong) {
  const support::TempDir folder;
  const std::string rows = (folder / "rows.jsonl").string();
  std::ofstream(rows) << "{}\n";
  const std::string map = GEMEL_SOURCE_DIR "/conf/replay/tsbs_trucks.json";
  const std::string configuration = GEMEL_SOURCE_DIR "/conf/replay/tsbs_trucks.gateway.json";
  struct Case {
    std::vector<std::string> options;
    int code;
    std::vector<std::string> named;
  };
  const std::vector<Case> cases = {
      {{}, 2, {"--map"}},
      {{"--map", map}, 2, {"--broker", "--offline"}},
      {{"--offline"}, 2, {rows, "--map"}},
      {{"--offline", "--map", map}, 2, {"--config"}},
      {{"--offline", "--map", map, "--speed", "60x"}, 2, {"--speed", "--offline"}},
      {{"--offline", "--map", map, "--shuffle", "9s"}, 2, {"--shuffle", "--offline"}},
      {{"--map", map, "--broker", "mqtt://127.0.0.1:1", "--out", "/dev/null/x"}, 2, {"--out"}},
      {{"--map", map, "--broker", "mqtt://127.0.0.1:1", "--model", "a=b.so"}, 2, {"--model"}},
      {{"--offline", "--map", map, "--broker", "mqtt://127.0.0.1:1"}, 2, {"--broker", "--offline"}},
      {{"--offline", "--model", "truck"}, 2, {"--model", "\"truck\"", "NAME=FILE"}},
      {{"--offline", "--model", "=truck.so"}, 2, {"\"=truck.so\"", "NAME=FILE"}},
      {{"--offline", "--model", "truck="}, 2, {"\"truck=\"", "NAME=FILE"}},
      {{"--offline", "--shards", "0"}, 2, {"--shards", "0", "64"}},
      {{"--offline", "--shards", "65"}, 2, {"--shards", "65", "64"}},
      {{"--offline", "--map", map, "--config", "/nowhere.json"}, 3, {"/nowhere.json"}},
      {{"--offline", "--map", "/nowhere.json", "--config", configuration}, 3, {"/nowhere.json"}},
      {{"--offline", "--map", map, "--config", configuration, "--model",
        "van=" + PluginPath("echo")},
       3,
       {"--model", "\"van\"", "truck"}},
      {{"--offline", "--map", map, "--config", configuration, "--model", "truck=/nowhere.so"},
       3,
       {"/nowhere.so"}},
      {{"--offline", "--map", map, "--config", configuration, "--out", "/dev/null/x"},
       3,
       {"/dev/null/x"}},
  };
  for (const Case& wrong : cases) {
    std::vector<std::string> arguments = {"replay", rows};
    arguments.insert(arguments.end(), wrong.options.begin(), wrong.options.end());
    const Outcome outcome = Gemel(arguments);
    const std::string trace = fmt::format("{}", fmt::join(arguments, " "));
    EXPECT_EQ(outcome.code, wrong.code) << trace << "\n" << outcome.errors;
    EXPECT_EQ(outcome.output, "") << trace;
    const bool has_hint = outcome.errors.ends_with("Run with --help for more information.\n");
    EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), has_hint ? 2 : 1) << outcome.errors;
    for (const std::string& word : wrong.named)
      EXPECT_THAT(outcome.errors, HasSubstr(word)) << trace;
  }
}

TEST(PlaybackUsageTest, DiffSaysWhatIsWrong) {
  const Outcome none = Gemel({"diff", "/nowhere", "/nowhere"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.errors, HasSubstr("/nowhere"));
  EXPECT_EQ(Gemel({"diff", "/nowhere"}).code, 2);
}

// Rows without a broker, against the truths that the same rows through one are held against.
class RowsTest : public ::testing::Test {
 protected:
  json ConfigurationOf(const std::string& set) {
    std::ifstream file(GEMEL_SOURCE_DIR "/conf/replay/" + set + ".gateway.json");
    json configuration = json::parse(file, nullptr, true, true);
    for (json& model : configuration["models"])
      model["plugin"] = PluginPath(model["name"].get<std::string>());
    return configuration;
  }
  // Folds with 1 and 7 shards, which must come to the same; the twins by id.
  std::map<std::string, json> TwinsOf(const std::filesystem::path& rows, const std::string& set,
                                      std::vector<std::string> options, int64_t refused) {
    std::ofstream(folder_ / "gemel.json") << ConfigurationOf(set).dump();
    options.insert(options.begin(), {"replay", rows.string(), "--offline", "--map",
                                     GEMEL_SOURCE_DIR "/conf/replay/" + set + ".json", "--config",
                                     (folder_ / "gemel.json").string()});
    for (const char* shards : {"1", "7"}) {
      auto arguments = options;
      arguments.insert(arguments.end(), {"--shards", shards, "--out", (folder_ / shards).string()});
      const Outcome outcome = Gemel(arguments);
      EXPECT_EQ(outcome.code, 0) << outcome.errors;
      EXPECT_EQ(outcome.Number("refused"), refused) << outcome.output;
    }
    EXPECT_EQ(RunOf(folder_ / "1"), RunOf(folder_ / "7"));
    std::map<std::string, json> twins;
    for (const json& twin : ObjectsOf(folder_ / "1/twins.jsonl")) twins[twin["id"]] = twin;
    return twins;
  }

  support::TempDir folder_;
};

TEST_F(RowsTest, ABusDayComesToWhatItComesToThroughABroker) {
  const auto data = support::DataSet("capmetro_bus");
  if (!data) GTEST_SKIP() << support::kNoData;
  Process process({"python3", GEMEL_SOURCE_DIR "/tests/scenario/bus_truth.py", data->string()});
  const auto text = process.ReadLine();
  ASSERT_TRUE(text) << process.errors();
  const json truth = json::parse(*text);
  for (const bool is_sorted : {false, true}) {
    const auto options =
        is_sorted ? std::vector<std::string>{"--sort"} : std::vector<std::string>{};
    const auto twins =
        TwinsOf(*data / "vehicle_positions_2016-11-24.csv.gz", "capmetro_bus", options, 0);
    ASSERT_EQ(twins.size(), truth["last"].size());
    for (const auto& [id, expected] : truth["last"].items()) {
      ASSERT_TRUE(twins.contains(id)) << id;
      const json& state = twins.at(id)["state"];
      for (const char* field : {"latitude_deg", "longitude_deg", "speed_mps", "route_id"})
        EXPECT_EQ(state[field], expected[field]) << id << " " << field;
    }
  }
}

TEST_F(RowsTest, RowsOfAMapWithoutTimesAreTaken) {
  std::ofstream(folder_ / "rows.jsonl") << R"({"id": "d1", "n": 5, "t": 1700000000000})" << '\n';
  std::ofstream(folder_ / "map.json") << R"({"topic": "scenario/wa/{/id}/in", "qos": 1})";
  json configuration = Configuration("echo");
  configuration["routes"][0]["time"] = "/t";
  std::ofstream(folder_ / "gemel.json") << configuration.dump();
  const Outcome outcome =
      Gemel({"replay", (folder_ / "rows.jsonl").string(), "--offline", "--map",
             (folder_ / "map.json").string(), "--config", (folder_ / "gemel.json").string(),
             "--out", (folder_ / "out").string()});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_EQ(outcome.Number("refused"), 0);
  EXPECT_EQ(ObjectsOf(folder_ / "out/twins.jsonl").at(0)["state"]["n"], 5);
}

TEST_F(RowsTest, TrucksComeToWhatTheyComeToThroughABroker) {
  const auto data = support::DataSet("tsbs_trucks");
  if (!data) GTEST_SKIP() << support::kNoData;
  const auto twins = TwinsOf(*data / "fleet60/arrivals.jsonl.gz", "tsbs_trucks", {}, 38);
  std::ifstream file(*data / "fleet60/expected_last_by_event_time.json");
  const json expected = json::parse(file);
  EXPECT_EQ(twins.size(), 60u);
  const std::map<std::string, std::string> names = {{"latitude", "latitude_deg"},
                                                    {"longitude", "longitude_deg"},
                                                    {"velocity", "speed_kmh"},
                                                    {"fuel_state", "fuel_fraction"},
                                                    {"current_load", "load_kg"}};
  for (const auto& [truck, fields] : expected.items()) {
    ASSERT_TRUE(twins.contains(truck)) << truck;
    for (const auto& [name, field] : names) {
      EXPECT_EQ(twins.at(truck)["state"][field].get<double>(), fields[name]["v"].get<double>())
          << truck << " " << field;
    }
  }
}

}  // namespace
}  // namespace gemel::scenario
