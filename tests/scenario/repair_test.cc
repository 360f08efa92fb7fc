// A start that damage refuses names `gemel repair`, which makes it possible again and says what is
// lost; and `gemel verify` beside a gateway that runs.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/process.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using testing::HasSubstr;

// More than a segment holds.
constexpr int64_t kEnough = 8'000;
constexpr const char* kApplied = R"(gemel_messages_applied_total{model="echo"})";

struct Said {
  int code = -1;
  std::string text;  // stdout, then stderr
};

class RepairTest : public ::testing::Test {
 protected:
  RepairTest() {
    EXPECT_TRUE(broker_.Start().ok());
    nlohmann::json configuration = EchoConfiguration();
    configuration["routes"][0]["message_id"] = "/n";
    configuration["journal"]["segment_size"] = "1MiB";
    configuration["journal"]["sync_every"] = "20ms";
    configuration["store"]["snapshot_every"] = "100ms";
    gateway_.emplace(broker_, configuration);
    EXPECT_TRUE(gateway_->Start()) << gateway_->errors();
  }
  Said Gemel(const std::string& verb, const std::vector<std::string>& options = {}) {
    std::vector<std::string> arguments = {GemelProgram(), verb,
                                          (gateway_->folder() / "gemel.json").string()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    support::Process process(std::move(arguments), {});
    Said said;
    while (const auto line = process.ReadLine()) said.text += *line + '\n';
    said.code = process.Wait().value_or(-1);
    said.text += process.errors();
    return said;
  }
  // Many messages, applied; then the gateway has ended. Returns how many.
  int64_t Fill() {
    NumberedLoad load(broker_.port(), kBusyPerSecond);
    EXPECT_TRUE(gateway_->AwaitMetric(kApplied, kEnough));
    const int64_t published = load.End();
    EXPECT_TRUE(gateway_->AwaitMetric(kApplied, static_cast<double>(published)));
    EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
    return published;
  }
  static void FlipMiddleOf(const std::filesystem::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    file.seekg(middle);
    const int byte = file.get();
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 0x10));
  }
  std::filesystem::path FirstSegment() const {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(gateway_->folder() / "journal")) {
      if (entry.path().extension() == ".journal") paths.push_back(entry.path());
    }
    return *std::ranges::min_element(paths);
  }

  Broker broker_{{.is_persistent = true}};
  std::optional<GatewayProcess> gateway_;
};

TEST_F(RepairTest, ADamagedDatabaseIsBuiltAgainFromAJournalThatGoesBackToTheBeginning) {
  const int64_t published = Fill();
  FlipMiddleOf(gateway_->folder() / "gemel.db");
  EXPECT_FALSE(gateway_->Start());
  EXPECT_THAT(gateway_->errors(), HasSubstr("gemel repair"));
  const Said shown = Gemel("repair");
  EXPECT_EQ(shown.code, 1) << shown.text;
  EXPECT_THAT(shown.text, HasSubstr("nothing was changed"));
  EXPECT_FALSE(gateway_->Start()) << "it was not";
  const Said done = Gemel("repair", {"--yes"});
  EXPECT_EQ(done.code, 0) << done.text;
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  const Comparison twins = CompareTwins(*gateway_, published);
  EXPECT_EQ(twins.lost + twins.applied_twice + twins.wrong_sums, 0);
  EXPECT_EQ(gateway_->Stop(), 0);
  EXPECT_EQ(Gemel("repair").code, 0);
}

TEST_F(RepairTest, WhatADamagedJournalLostWasSavedAndIsNotMissed) {
  const int64_t published = Fill();
  FlipMiddleOf(FirstSegment());
  const Said verified = Gemel("verify");
  EXPECT_EQ(verified.code, 1);
  EXPECT_THAT(verified.text, HasSubstr("gemel repair"));
  const Said done = Gemel("repair", {"--yes"});
  EXPECT_EQ(done.code, 0) << done.text;
  EXPECT_THAT(done.text, HasSubstr(", 1 of them; the saved twins have seen them"));
  EXPECT_THAT(done.text, HasSubstr(".damaged-2"));
  EXPECT_EQ(Gemel("verify").code, 0);
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  const Comparison twins = CompareTwins(*gateway_, published);
  EXPECT_EQ(twins.lost + twins.applied_twice + twins.wrong_sums, 0);
}

TEST_F(RepairTest, ADamagedJournalThatIsNeededRefusesTheStartAndCostsOneMessage) {
  const int64_t published = Fill();
  FlipMiddleOf(FirstSegment());
  std::filesystem::remove(gateway_->folder() / "gemel.db");
  EXPECT_FALSE(gateway_->Start());
  EXPECT_THAT(gateway_->errors(), HasSubstr("gemel repair"));
  const Said done = Gemel("repair", {"--yes"});
  EXPECT_EQ(done.code, 0) << done.text;
  ASSERT_TRUE(gateway_->Start()) << gateway_->errors();
  const Comparison twins = CompareTwins(*gateway_, published);
  EXPECT_LE(twins.lost, 1) << "none if what is lost was only that effects were sent";
  EXPECT_EQ(twins.applied_twice, 0);
}

TEST_F(RepairTest, ADatabaseThatTheJournalCannotBuildAgainIsLeftWhereItIs) {
  Fill();
  const std::filesystem::path database = gateway_->folder() / "gemel.db";
  FlipMiddleOf(database);
  const std::filesystem::path first = FirstSegment();
  std::filesystem::remove(first);
  ASSERT_NE(FirstSegment(), first) << "what is left of the journal begins in the middle";
  const Said said = Gemel("repair", {"--yes"});
  EXPECT_EQ(said.code, 3) << said.text;
  EXPECT_THAT(said.text, HasSubstr("does not go back to the first record"));
  EXPECT_TRUE(std::filesystem::exists(database));
}

TEST_F(RepairTest, VerifyReadsBesideAGatewayThatRunsAndRepairRefuses) {
  NumberedLoad load(broker_.port(), kBusyPerSecond);
  for (int i = 0; i < 10; ++i) {
    const Said verified = Gemel("verify");
    EXPECT_EQ(verified.code, 0) << verified.text;
    EXPECT_THAT(verified.text, HasSubstr("a gateway is running"));
  }
  const Said repaired = Gemel("repair", {"--yes"});
  EXPECT_EQ(repaired.code, 3);
  EXPECT_THAT(repaired.text, HasSubstr("a gateway is running on it; stop it first"));
  const int64_t published = load.End();
  EXPECT_TRUE(gateway_->AwaitMetric(kApplied, static_cast<double>(published)));
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
}

}  // namespace
}  // namespace gemel::scenario
