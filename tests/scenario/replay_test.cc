// Replays: of recordings through a broker, of rows without one, and what is wrong usage.

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/playback.h"
#include "tests/support/data_dir.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using support::Process;
using testing::HasSubstr;

// Topics and payloads of all kinds: captures, a level that is not kept, a field named by the topic,
// an empty first level, readings in one array with what stands beside them, without ids, and in a
// place that a number names, another encoding.
json ConfigurationOfAllKinds() {
  json configuration = EchoConfiguration();
  configuration["routes"] = json::parse(R"([
    { "topic": "scenario/{region}/{id}/in", "model": "echo", "sequence": "/n", "time": "/at" },
    { "topic": "open/+/dev-{id}.json", "model": "echo", "payload": "cbor",
      "fields": { "n": "/n", "kind": "/k" } },
    { "topic": "cell/{id}/{field}", "model": "echo", "payload": "text" },
    { "topic": "batch/{region}", "model": "echo", "trusted_source": true, "items": "/readings",
      "id": "/id", "time": "^/head/at", "time_format": "iso", "message_id": "^/head/id",
      "fields": { "n": "/n", "note": "^/head/note", "kind": { "at": "^/head/kind",
        "values": { "1": "one", "2": "two" } } } },
    { "topic": "/lead/{id}", "model": "echo" },
    { "topic": "list", "model": "echo", "trusted_source": true, "items": "/0", "id": "/id",
      "fields": { "n": "/n", "note": "^/1000000000/note" } } ])");
  return configuration;
}

void PublishAllKinds(uint16_t port) {
  support::RawClient client;
  ASSERT_TRUE(client.Connect(port, "kinds").ok());
  for (int64_t n = 1; n <= 40; ++n) {
    client.Publish(
        fmt::format("scenario/r{}/a{}/in", n % 3, n % 5),
        fmt::format(R"({{"n":{},"at":{},"value":{}}})", n, 1'700'000'000'000 + n, n * 5));
    const std::vector<uint8_t> cbor = json::to_cbor({{"n", n}, {"k", fmt::format("k{}", n % 4)}});
    client.Publish(fmt::format("open/{}/dev-b{}.json", n, n % 5),
                   std::string(cbor.begin(), cbor.end()));
    client.Publish(fmt::format("cell/c{}/n", n % 5), std::to_string(n));
    json batch = {{"head",
                   {{"at", fmt::format("2024-03-01T09:00:{:02}Z", n)},
                    {"id", fmt::format("m{}", n)},
                    {"kind", n % 2 == 0 ? "1" : "2"},
                    {"note", fmt::format("note {}", n)}}}};
    for (int64_t item = 0; item < n % 4; ++item)
      batch["readings"].push_back({{"id", fmt::format("d /{}", item)}, {"n", n + item}});
    // Twice, as a device that got no acknowledgement sends it.
    for (int again = 0; again < 2 && n % 4 > 0; ++again)
      client.Publish("batch/north", batch.dump());
    client.Publish(fmt::format("/lead/e{}", n % 5), fmt::format(R"({{"n":{}}})", n));
    client.Publish("list", fmt::format(R"({{"0":[{{"id":"f{0}","n":{0}}},{{"id":"g","n":{0}}}],)"
                                       R"("1000000000":{{"note":"list {0}"}}}})",
                                       n));
  }
  while (client.in_flight() > 0) ASSERT_TRUE(client.Pump(std::chrono::milliseconds(1)).ok());
}

// Of each twin of a gateway that has stopped: its state, and when it heard of what has a time.
std::map<std::string, json> TwinsOf(const GatewayProcess& gateway) {
  const Outcome outcome = Gemel({"export", "--config", (gateway.folder() / "gemel.json").string()});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  std::map<std::string, json> twins;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) {
    const json twin = json::parse(line);
    twins[twin.at("id")] = twin.at("state");
  }
  return twins;
}

using ReplayTest = PlaybackTest;

TEST_F(ReplayTest, MessagesOfARecordingGoThroughABrokerAgain) {
  // Of four routes 40 each, 40 lists of two, and 10 batches each of 1, 2 and 3 readings, twice.
  constexpr int64_t kReadings = 4 * 40 + 40 * 2 + 2 * (10 + 20 + 30);
  constexpr int64_t kMessages = 4 * 40 + 40 + 2 * 30;
  const json configuration = ConfigurationOfAllKinds();
  StartGateway(configuration);
  const auto record = StartRecord();
  PublishAllKinds(broker_.port());
  AwaitApplied("echo", kReadings - 60);  // the rest are repeats
  ASSERT_TRUE(gateway_->AwaitQuiet());
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
  record->Signal(SIGINT);
  ASSERT_EQ(record->Wait(), 0) << record->errors();
  const std::map<std::string, json> twins = TwinsOf(*gateway_);
  EXPECT_EQ(twins.size(), 4u * 5u + 41u + 3u);
  EXPECT_EQ(twins.at("d %2F2").at("note"), "note 39");
  EXPECT_EQ(twins.at("d %2F1").at("kind"), "two");
  EXPECT_EQ(twins.at("d %2F0").at("kind"), "two");
  EXPECT_EQ(twins.at("g").at("note"), "list 40");
  EXPECT_EQ(twins.at("g").at("answered"), 40);

  for (const bool is_sorted : {false, true}) {
    Broker other;
    ASSERT_TRUE(other.Start().ok());
    GatewayProcess again(other, configuration);
    ASSERT_TRUE(again.Start()) << again.errors();
    ASSERT_TRUE(again.AwaitReceiving());
    std::vector<std::string> arguments = {"replay", recording().string(), "--broker", other.uri()};
    if (is_sorted) arguments.emplace_back("--sort");
    const Outcome outcome = Gemel(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.errors;
    EXPECT_EQ(outcome.Number("sent"), kMessages) << outcome.output;
    EXPECT_EQ(outcome.Number("skipped"), 0);
    ASSERT_TRUE(again.AwaitMetric("gemel_messages_applied_total{model=\"echo\"}",
                                  static_cast<double>(kReadings - 60)));
    EXPECT_EQ(again.Stop(), 0) << again.errors();
    if (is_sorted) continue;
    EXPECT_EQ(TwinsOf(again), twins);
  }
}

// Another configuration may be given, in which the time stands within a text that was recorded.
TEST_F(ReplayTest, AMessageThatCannotBeMadeAgainIsCounted) {
  json configuration = EchoConfiguration();
  configuration["routes"] = json::parse(R"([
    { "topic": "in/{id}", "model": "echo" },
    { "topic": "list", "model": "echo", "trusted_source": true, "items": "/all", "id": "/id",
      "fields": { "n": "/n", "note": "^/note" } } ])");
  StartGateway(configuration);
  const auto record = StartRecord();
  support::RawClient client;
  ASSERT_TRUE(client.Connect(broker_.port(), "lists").ok());
  client.Publish("list", R"({"all":[{"id":"a","n":1},{"id":"b","n":2}],"note":"x"})");
  client.Publish("in/c", R"({"n":3})");
  client.Publish("list", R"({"all":[{"id":"a","n":4}],"note":"y"})");
  while (client.in_flight() > 0) ASSERT_TRUE(client.Pump(std::chrono::milliseconds(1)).ok());
  AwaitApplied("echo", 4);
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
  record->Signal(SIGINT);
  ASSERT_EQ(record->Wait(), 0) << record->errors();

  json other = json::parse(TextOf(recording() / "gateway.json"));
  other["routes"][1]["time"] = "^/note/at";
  const std::string path = (recording() / "other.json").string();
  std::ofstream(path) << other.dump();
  const Outcome outcome =
      Gemel({"replay", recording().string(), "--broker", broker_.uri(), "--config", path});
  EXPECT_EQ(outcome.code, 0) << outcome.errors;
  EXPECT_EQ(outcome.Number("sent"), 1) << outcome.output;
  EXPECT_EQ(outcome.Number("skipped"), 2) << outcome.output;
}

TEST(ReplayUsageTest, ReplaySaysWhatIsWrong) {
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

TEST(ReplayUsageTest, DiffSaysWhatIsWrong) {
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
    for (const auto& change : changes_.items())
      configuration["routes"][0][change.key()] = change.value();
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
  json changes_ = json::object();  // of the first route
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

TEST_F(RowsTest, ABusIsOfflineWhenItIsSilentForTenMinutesAndNoLongerThanThat) {
  const auto data = support::DataSet("capmetro_bus");
  if (!data) GTEST_SKIP() << support::kNoData;
  Process process({"python3", GEMEL_SOURCE_DIR "/tests/scenario/bus_truth.py", data->string()});
  const auto text = process.ReadLine();
  ASSERT_TRUE(text) << process.errors();
  const json truth = json::parse(*text)["silence"];
  const auto twins =
      TwinsOf(*data / "vehicle_positions_2016-11-24.csv.gz", "capmetro_bus", {"--sort"}, 0);
  std::map<std::string, int> changes;
  for (const json& effect : ObjectsOf(folder_ / "1/effects.jsonl")) {
    if (effect["kind"] != "alert" || effect["payload"].is_null()) continue;
    if (effect["payload"]["code"] != "offline") continue;
    ++changes[effect["payload"]["status"].get<std::string>()];
    EXPECT_EQ(effect["payload"]["properties"]["offline_after_s"], 600);
  }
  const int gaps = truth["gaps"];
  const int gone = truth["gone"];
  EXPECT_EQ(gaps, 45);
  EXPECT_EQ(gone, 150);
  EXPECT_EQ(changes["active_unacked"], gaps + gone);
  EXPECT_EQ(changes["cleared_unacked"], gaps);
  const auto is_offline = [](const auto& twin) {
    return std::ranges::any_of(twin.second["alerts"], [](const json& alert) {
      return alert["code"] == "offline" && !alert.contains("cleared_us");
    });
  };
  EXPECT_EQ(std::ranges::count_if(twins, is_offline), gone);
}

// The feed of all buses is away from 14:00 to 14:40.
TEST_F(RowsTest, ASilenceOfAllBusesIsOneAlertOfTheirFeed) {
  const auto data = support::DataSet("capmetro_bus");
  if (!data) GTEST_SKIP() << support::kNoData;
  const auto rows = folder_ / "copy.csv";
  Process process({"python3", GEMEL_SOURCE_DIR "/tests/scenario/bus_truth.py", data->string(),
                   "14:00", "14:40", rows.string()});
  const auto text = process.ReadLine();
  ASSERT_TRUE(text) << process.errors();
  const json truth = json::parse(*text);
  ASSERT_GT(truth["removed"], 500);
  changes_["feed_watch"] = json::object();
  TwinsOf(rows, "capmetro_bus", {"--sort"}, 0);

  std::vector<int64_t> of_feed[2];  // when it was raised, and cleared
  int offline = 0;
  int back = 0;
  std::vector<int64_t> told;
  for (const json& effect : ObjectsOf(folder_ / "1/effects.jsonl")) {
    if (effect["kind"] != "alert" || effect["payload"].is_null()) continue;
    const json& alert = effect["payload"];
    const bool is_raised = alert["status"] == "active_unacked";
    if (alert["code"] == "feed_silent") of_feed[is_raised ? 0 : 1].push_back(alert["time_ms"]);
    if (alert["code"] != "offline") continue;
    ++(is_raised ? offline : back);
    if (is_raised) told.push_back(alert["time_ms"]);
  }
  ASSERT_EQ(of_feed[0].size(), 1u);
  ASSERT_EQ(of_feed[1].size(), 1u);
  const int64_t silent = of_feed[0][0];
  const int64_t over = of_feed[1][0];
  constexpr int64_t kTenMinutes = 600'000;
  // Found when more than half have been silent for ten minutes; over when as many are back.
  EXPECT_GT(silent, truth["begin_ms"].get<int64_t>());
  EXPECT_LE(silent, truth["begin_ms"].get<int64_t>() + kTenMinutes);
  EXPECT_GT(over, truth["end_ms"].get<int64_t>());
  EXPECT_LE(over, truth["end_ms"].get<int64_t>() + kTenMinutes / 2);
  // Nobody is told of a bus while the feed is silent and until its buses had the time to come back.
  EXPECT_TRUE(std::ranges::none_of(
      told, [&](int64_t at) { return at >= silent && at < over + kTenMinutes; }));
  // All other silences are told.
  int of_buses = 0;
  int of_buses_over = 0;
  int held = 0;
  for (const json& silence : truth["silences"]) {
    const int64_t from = silence[0];
    const bool is_over = !silence[1].is_null();
    const bool is_of_feed = is_over && from + 2 * kTenMinutes > silent && silence[1] > silent &&
                            silence[1] < over + kTenMinutes;
    held += is_of_feed ? 1 : 0;
    of_buses += is_of_feed ? 0 : 1;
    of_buses_over += !is_of_feed && is_over ? 1 : 0;
  }
  EXPECT_GT(held, 50);
  EXPECT_EQ(offline, of_buses);
  EXPECT_EQ(back, of_buses_over);
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
