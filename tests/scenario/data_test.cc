// The real data sets through the real broker, against truths worked out elsewhere.

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/support/data_dir.h"
#include "tests/support/effort.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using support::Process;

json ReadJson(const std::filesystem::path& path) {
  std::ifstream file(path);
  return json::parse(file, nullptr, true, true);
}

std::filesystem::path Source(const std::string& path) {
  return std::filesystem::path(GEMEL_SOURCE_DIR) / path;
}

// The configuration that belongs to a set, with the plug-ins of this build.
json SetConfiguration(const std::string& set) {
  json configuration = ReadJson(Source("conf/replay/" + set + ".gateway.json"));
  configuration["mqtt"].erase("uri");  // the broker is another one here
  for (json& model : configuration["models"]) {
    model["plugin"] = PluginPath(model["name"].get<std::string>());
    if (model.contains("profile")) model.erase("profile");
  }
  return configuration;
}

// A file of 38,882 messages, through a broker, under any sanitizer.
constexpr std::chrono::minutes kReplayPatience{5};

// Runs `gemel replay`; what it says at the end, as {"sent": 24490, ...}.
json Replay(const Broker& broker, const std::filesystem::path& file, const std::string& set,
            const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {GemelProgram(),
                                        "replay",
                                        file.string(),
                                        "--map",
                                        Source("conf/replay/" + set + ".json").string(),
                                        "--broker",
                                        broker.uri(),
                                        "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  Process replay(arguments);
  const auto line = replay.ReadLineWith("{", kReplayPatience);
  EXPECT_EQ(replay.Wait(), 0) << replay.errors();
  return line ? json::parse(*line) : json::object();
}

json Twins(const GatewayProcess& gateway, const std::string& model) {
  json by_id = json::object();
  for (json& twin : gateway.Get("/api/v1/twins/" + model + "?limit=100000").Json()) {
    by_id[twin["id"].get<std::string>()] = twin;
  }
  return by_id;
}

class BusDay : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto folder = support::DataSet("capmetro_bus");
    if (!folder) GTEST_SKIP() << support::kNoData;
    file_ = *folder / "vehicle_positions_2016-11-24.csv.gz";
    Process truth({"python3", Source("tests/scenario/bus_truth.py").string(), folder->string()});
    const auto text = truth.ReadLine();
    ASSERT_TRUE(text) << truth.errors();
    truth_ = json::parse(*text);
    ASSERT_TRUE(broker_.Start().ok());
    gateway_ = std::make_unique<GatewayProcess>(broker_, SetConfiguration("capmetro_bus"));
    ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  }

  void ExpectFinalState(const std::vector<std::string>& options, double late) {
    const json summary = Replay(broker_, file_, "capmetro_bus", options);
    EXPECT_EQ(summary["sent"], truth_["rows"]);
    EXPECT_EQ(summary["acknowledged"], truth_["rows"]);
    ASSERT_TRUE(gateway_->AwaitMetric("gemel_messages_applied_total{model=\"vehicle\"}",
                                      truth_["rows"].get<double>()));
    EXPECT_EQ(gateway_->Metric("gemel_messages_late_total{model=\"vehicle\"}"), late);
    const json twins = Twins(*gateway_, "vehicle");
    ASSERT_EQ(twins.size(), truth_["last"].size());
    for (const auto& [id, expected] : truth_["last"].items()) {
      ASSERT_TRUE(twins.contains(id)) << id;
      for (const auto& [field, value] : expected.items()) {
        EXPECT_EQ(twins[id][field], value) << id << " " << field;
      }
    }
  }

  std::filesystem::path file_;
  json truth_;
  Broker broker_;
  std::unique_ptr<GatewayProcess> gateway_;
};

TEST_F(BusDay, SortedNothingIsLostAndEveryVehicleStandsWhereItLastReported) {
  EXPECT_EQ(truth_["rows"], 24'490);
  EXPECT_EQ(truth_["last"].size(), 152u);
  ExpectFinalState({"--sort"}, 0);
}

TEST_F(BusDay, InFileOrderTheSameAnd18587RowsAreLate) {
  EXPECT_EQ(truth_["late"], 18'587);
  ExpectFinalState({}, 18'587);
}

// Names of the set to fields of the model (design, "Command line").
const std::vector<std::pair<std::string, std::string>> kTruckFields = {
    {"latitude", "latitude_deg"},      {"longitude", "longitude_deg"},
    {"elevation", "elevation_m"},      {"velocity", "speed_kmh"},
    {"heading", "heading_deg"},        {"grade", "grade_pct"},
    {"fuel_consumption", "fuel_rate"}, {"fuel_state", "fuel_fraction"},
    {"current_load", "load_kg"},       {"status", "status_code"}};

class Trucks : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto folder = support::DataSet("tsbs_trucks");
    if (!folder) GTEST_SKIP() << support::kNoData;
    folder_ = *folder / "fleet60";
    ASSERT_TRUE(broker_.Start().ok());
    gateway_ = std::make_unique<GatewayProcess>(broker_, SetConfiguration("tsbs_trucks"));
    ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  }

  void ExpectFinalState(const std::vector<std::string>& options) {
    const json summary = Replay(broker_, folder_ / "arrivals.jsonl.gz", "tsbs_trucks", options);
    EXPECT_EQ(summary["sent"], 38'882);
    EXPECT_EQ(summary["acknowledged"], 38'882);
    EXPECT_TRUE(
        gateway_->AwaitMetric("gemel_messages_applied_total{model=\"truck\"}", 38'882 - 38));
    EXPECT_EQ(gateway_->Metric("gemel_messages_refused_total{reason=\"id_invalid\"}"), 38);
    const json twins = Twins(*gateway_, "truck");
    const json expected = ReadJson(folder_ / "expected_last_by_event_time.json");
    EXPECT_EQ(twins.size(), 60u);
    for (const auto& [truck, fields] : expected.items()) {
      ASSERT_TRUE(twins.contains(truck)) << truck;
      for (const auto& [name, field] : kTruckFields) {
        ASSERT_TRUE(fields.contains(name)) << truck << " " << name;
        EXPECT_EQ(twins[truck][field].get<double>(), fields[name]["v"].get<double>())
            << truck << " " << field;
      }
    }
  }

  std::filesystem::path folder_;
  Broker broker_;
  std::unique_ptr<GatewayProcess> gateway_;
};

TEST_F(Trucks, AsFiledTheFinalStateIsTheExpectedOneAndTenReadingsAreLate) {
  ExpectFinalState({});
  EXPECT_EQ(gateway_->Metric("gemel_messages_late_total{model=\"truck\"}"), 10);
}

TEST_P(Trucks, ShuffledWithinTwoMinutesTheFinalStateIsTheSame) {
  ExpectFinalState({"--shuffle", "120s", "--seed", std::to_string(GetParam())});
  EXPECT_GT(gateway_->Metric("gemel_messages_late_total{model=\"truck\"}"), 1'000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Trucks, ::testing::Range(1, support::Rounds(6, 2)));

}  // namespace
}  // namespace gemel::scenario
