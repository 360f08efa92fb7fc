// What must keep the gateway from starting: exit code 3 and one line on stderr that names file,
// key, value and what is allowed.

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/history/alert_log.h"
#include "tests/scenario/gateway_process.h"

namespace gemel::scenario {
namespace {

using nlohmann::json;
using support::Broker;
using support::Process;

class StartupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    configuration_ = EchoConfiguration();
    configuration_["mqtt"]["uri"] = "mqtt://127.0.0.1:1";
    configuration_["journal"]["path"] = (folder_ / "journal").string();
    configuration_["store"]["path"] = (folder_ / "gemel.db").string();
    configuration_["http"]["listen"] = "127.0.0.1:0";
  }
  // The one line that `gemel run` leaves on stderr beside its log.
  std::string Refusal() {
    std::ofstream(folder_ / "gemel.json") << configuration_.dump();
    return RefusalOf((folder_ / "gemel.json").string());
  }
  static std::string RefusalOf(const std::string& path) {
    Process gemel({GemelProgram(), "run", path}, {.has_errors_in_output = true});
    std::string refusal;
    while (const auto line = gemel.ReadLine()) {
      if (!line->starts_with("gemel: ")) continue;
      EXPECT_EQ(refusal, "") << "more than one line";
      refusal = *line;
    }
    EXPECT_EQ(gemel.Wait(), 3) << refusal;
    return refusal;
  }
  static void ExpectAll(const std::string& line, const std::vector<std::string>& parts) {
    for (const std::string& part : parts)
      EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  }

  support::TempDir folder_;
  json configuration_;
};

TEST_F(StartupTest, MissingConfiguration) {
  ExpectAll(RefusalOf("/nowhere/gemel.json"), {"/nowhere/gemel.json"});
}

TEST_F(StartupTest, UnreadableConfigurationIsAFolder) {
  ExpectAll(RefusalOf(folder_.path().string()), {folder_.path().string()});
}

TEST_F(StartupTest, BrokenJsonNamesTheLine) {
  std::ofstream(folder_ / "broken.json") << "{\n  \"mqtt\": {,}\n}";
  ExpectAll(RefusalOf((folder_ / "broken.json").string()), {"broken.json", "2"});
}

TEST_F(StartupTest, UnknownKeyIsSuggested) {
  configuration_["mqtt"]["client_di"] = "x";
  ExpectAll(Refusal(), {"client_di", "client_id"});
}

TEST_F(StartupTest, WrongValueSaysWhatIsAllowed) {
  configuration_["routes"][0]["payload"] = "xml";
  ExpectAll(Refusal(), {"payload", "xml", "cbor"});
}

// Or the first dead letter would be a message that is refused, and so on.
TEST_F(StartupTest, RouteThatTakesInWhatTheGatewayPublishes) {
  configuration_["routes"][0] = {{"topic", "{region}/{id}/#"}, {"model", "echo"}};
  ExpectAll(Refusal(), {"{region}/{id}/#", "gemel"});
}

TEST_F(StartupTest, RouteOfUnknownModel) {
  configuration_["routes"][0]["model"] = "ecko";
  ExpectAll(Refusal(), {"ecko", "echo"});
}

TEST_F(StartupTest, DuplicateModel) {
  configuration_["models"].push_back(configuration_["models"][0]);
  ExpectAll(Refusal(), {"echo"});
}

TEST_F(StartupTest, MissingPlugin) {
  configuration_["models"][0]["plugin"] = "no_such.so";
  ExpectAll(Refusal(), {"no_such.so", "/usr/lib/gemel/models"});
}

TEST_F(StartupTest, PluginThatIsNoSharedObject) {
  std::ofstream(folder_ / "text.so") << "hello";
  configuration_["models"][0]["plugin"] = (folder_ / "text.so").string();
  ExpectAll(Refusal(), {"text.so", "cannot be loaded"});
}

TEST_F(StartupTest, PluginOfAnotherAbi) {
  configuration_["models"][0]["plugin"] = PluginPath("old_abi");
  ExpectAll(Refusal(), {"old_abi.so", "ABI version 999", "version 1"});
}

TEST_F(StartupTest, UnknownParameterNamesTheKnownOnes) {
  configuration_["models"][0]["parameters"] = {{"limitt", 3}};
  ExpectAll(Refusal(), {"limitt", "limit"});
}

TEST_F(StartupTest, OverlappingRoutesNameATopicThatBothMatch) {
  json second = configuration_["routes"][0];
  second["topic"] = "scenario/{region}/{id}/{kind}";
  second["name"] = "second";
  configuration_["routes"].push_back(second);
  ExpectAll(Refusal(), {"scenario/{region}/{id}/in", "scenario/{region}/{id}/{kind}"});
}

TEST_F(StartupTest, CapturesThatCantBeToldApart) {
  configuration_["routes"][0]["topic"] = "scenario/{region}{id}/in";
  ExpectAll(Refusal(), {"scenario/{region}{id}/in"});
}

TEST_F(StartupTest, CaptureThatNamesNoField) {
  configuration_["routes"][0]["topic"] = "scenario/{planet}/{id}/in";
  ExpectAll(Refusal(), {"planet", "region"});
}

TEST_F(StartupTest, RouteWithoutId) {
  configuration_["routes"][0]["topic"] = "scenario/{region}/in";
  configuration_["routes"][0].erase("command");
  ExpectAll(Refusal(), {"id"});
}

TEST_F(StartupTest, UnitsThatDontConvert) {
  configuration_["routes"][0]["fields"] = {{"n", "/n"}, {"value", {{"at", "/v"}, {"unit", "psi"}}}};
  ExpectAll(Refusal(), {"psi", "degC"});
}

TEST_F(StartupTest, PortInUse) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  configuration_["http"]["listen"] = "127.0.0.1:" + std::to_string(broker.port());
  ExpectAll(Refusal(), {"127.0.0.1:" + std::to_string(broker.port())});
}

TEST_F(StartupTest, JournalThatAnotherGatewayUses) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  configuration_["mqtt"]["uri"] = broker.uri();
  std::ofstream(folder_ / "gemel.json") << configuration_.dump();
  Process first({GemelProgram(), "run", (folder_ / "gemel.json").string()});
  ASSERT_TRUE(first.ReadLineWith("ready "));
  ExpectAll(RefusalOf((folder_ / "gemel.json").string()), {"journal", "another gateway"});
}

TEST_F(StartupTest, DamagedEpoch) {
  std::filesystem::create_directories(folder_ / "journal");
  std::ofstream(folder_ / "journal" / "epoch") << "17 nonsense";
  ExpectAll(Refusal(), {"epoch", "damaged"});
}

// As after a journal that was moved away without it: its rows would hide the new ones.
TEST_F(StartupTest, HistoryOfAJournalThatIsNoMore) {
  const ManualClock clock{Time{}};
  {
    auto log = history::AlertLog::Open({.path = folder_ / "gemel.history.db"}, clock);
    ASSERT_TRUE(log.ok()) << log.status().message();
    (*log)->Append({MakeLsn(7, 1), 0}, "raised", "{}");
  }
  ExpectAll(Refusal(), {"gemel.history.db", "epoch 7", "epoch 1", "move the history away"});
}

TEST_F(StartupTest, OverrideThatNamesNoKey) {
  std::ofstream(folder_ / "gemel.json") << configuration_.dump();
  Process gemel({GemelProgram(), "run", (folder_ / "gemel.json").string()},
                {.environment = {"GEMEL__MQTT__URL=x"}, .has_errors_in_output = true});
  EXPECT_TRUE(gemel.ReadLineWith("GEMEL__MQTT__URL"));
  EXPECT_EQ(gemel.Wait(), 3);
}

TEST_F(StartupTest, UsageErrorsExitWithTwo) {
  Process gemel({GemelProgram(), "run", "--no-such-option"});
  EXPECT_EQ(gemel.Wait(), 2);
}

}  // namespace
}  // namespace gemel::scenario
