#pragma once

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/support/raw_client.h"

// What tests of recordings and replays share.
namespace gemel::scenario {

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

// A verb may work for long before it says something.
inline constexpr std::chrono::minutes kVerbPatience{5};

inline Outcome Gemel(std::vector<std::string> arguments,
                     std::vector<std::string> environment = {}) {
  arguments.insert(arguments.begin(), GemelProgram());
  support::Process process(std::move(arguments), {.environment = std::move(environment)});
  Outcome outcome;
  while (const auto line = process.ReadLine(kVerbPatience)) outcome.output += *line + '\n';
  outcome.code = process.Wait().value_or(-1);
  outcome.errors = process.errors();
  return outcome;
}

inline std::string TextOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The files of a run, for comparison byte by byte.
inline std::pair<std::string, std::string> RunOf(const std::filesystem::path& folder) {
  return {TextOf(folder / "twins.jsonl"), TextOf(folder / "effects.jsonl")};
}

inline std::vector<nlohmann::json> ObjectsOf(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(file, line);) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

inline nlohmann::json Configuration(const std::string& model) {
  nlohmann::json configuration = EchoConfiguration();
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

  void StartGateway(const nlohmann::json& configuration) {
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
  std::unique_ptr<support::Process> StartRecord() {
    auto record = std::make_unique<support::Process>(
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
  void Record(const nlohmann::json& configuration, int64_t messages) {
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
  support::Broker broker_{{.is_persistent = true}};
  std::unique_ptr<GatewayProcess> gateway_;
};

}  // namespace gemel::scenario
