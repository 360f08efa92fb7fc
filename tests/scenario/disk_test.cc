// The disk fills up or fails: nothing that the broker was told is safe is lost, and the gateway
// says what is wrong.

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using support::Broker;
using support::Tail;

constexpr std::chrono::seconds kPatience{60};

nlohmann::json Configuration() {
  nlohmann::json configuration = EchoConfiguration();
  configuration["routes"][0]["message_id"] = "/n";
  configuration["routes"][0]["repeat_window"] = 4'000;  // all that may wait at the broker
  configuration["store"]["snapshot_every"] = "100ms";
  configuration["journal"]["segment_size"] = "1MiB";
  configuration["journal"]["sync_every"] = "20ms";
  return configuration;
}

class DiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(broker_.Start().ok());
    gateway_.emplace(broker_, Configuration());
  }
  // See faulty_disk.cc.
  void Fail(const std::string& call, int error, const std::string& part, int64_t skip) {
    std::ofstream(plan_.string() + ".new")
        << call << ' ' << error << ' ' << part << ' ' << skip << '\n';
    std::filesystem::rename(plan_.string() + ".new", plan_);
  }
  void Mend() { std::filesystem::remove(plan_); }
  bool Start() {
    return gateway_->Start({"LD_PRELOAD=" GEMEL_BUILD_DIR "/lib/faulty_disk.so",
                            "GEMEL_FAULTY_DISK=" + plan_.string(),
                            "ASAN_OPTIONS=verify_asan_link_order=0"});
  }
  void ExpectAll(Tail& commands, int64_t published) {
    Answers answers;
    commands.WaitFor([&](const auto& seen) {
      answers.Take(seen);
      return answers.numbers() == published;
    });
    EXPECT_EQ(answers.numbers(), published);
    EXPECT_EQ(answers.doubled(), 0);
    EXPECT_EQ(answers.changed(), 0);
    const Comparison twins = CompareTwins(*gateway_, published);
    EXPECT_EQ(twins.lost, 0);
    EXPECT_EQ(twins.applied_twice, 0);
    EXPECT_EQ(twins.wrong_sums, 0);
  }

  Broker broker_{{.is_persistent = true}};
  support::TempDir folder_;
  const std::filesystem::path plan_ = folder_ / "plan";
  std::optional<GatewayProcess> gateway_;
};

TEST_F(DiskTest, AFullDiskHoldsTheReceiverSaysWhyAndServiceResumesByItself) {
  ASSERT_TRUE(Start()) << gateway_->errors();
  Tail commands(broker_, {"scenario/+/+/out"});
  NumberedLoad load(broker_.port(), kBusyPerSecond);
  for (int round = 0; round < 3; ++round) {
    Fail("posix_fallocate", ENOSPC, "/journal/", 0);
    ASSERT_TRUE(gateway_->AwaitHttp("/readyz", 503, kPatience)) << gateway_->errors();
    const std::string why = gateway_->Get("/readyz").Json()["because"];
    EXPECT_NE(why.find("No space left on device"), std::string::npos) << why;
    EXPECT_NE(why.find("journal"), std::string::npos) << why;
    Mend();
    ASSERT_TRUE(gateway_->AwaitHttp("/readyz", 200, kPatience)) << gateway_->errors();
  }
  ExpectAll(commands, load.End());
  EXPECT_EQ(gateway_->Stop(), 0) << gateway_->errors();
}

TEST_F(DiskTest, AFullDiskOfTheDatabaseCostsSnapshotsAndNoMessage) {
  ASSERT_TRUE(Start()) << gateway_->errors();
  Tail commands(broker_, {"scenario/+/+/out"});
  NumberedLoad load(broker_.port(), kBusyPerSecond);
  Fail("pwrite", ENOSPC, "gemel.db", 0);
  ASSERT_TRUE(gateway_->AwaitMetric("gemel_snapshot_failed", 1)) << gateway_->errors();
  const double before = gateway_->Metric("gemel_snapshots_total");
  Mend();
  ASSERT_TRUE(gateway_->AwaitMetric("gemel_snapshots_total", before + 2)) << gateway_->errors();
  EXPECT_EQ(gateway_->Metric("gemel_snapshot_failed"), 0);
  gateway_->Kill();
  ASSERT_TRUE(Start()) << gateway_->errors();
  ExpectAll(commands, load.End());
}

TEST_F(DiskTest, ADiskThatFailsEndsTheProcessAndNothingIsLost) {
  ASSERT_TRUE(Start()) << gateway_->errors();
  Tail commands(broker_, {"scenario/+/+/out"});
  NumberedLoad load(broker_.port(), kBusyPerSecond);
  const int64_t rounds = FromEnvironment("GEMEL_KILLS", 6);
  int64_t ended = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    gateway_->Kill();
    const bool is_sync = round % 2 == 1;
    Fail(is_sync ? "fdatasync" : "write", EIO, "/journal/", is_sync ? round : 37 * round + 4);
    // It may end before it is ready.
    static_cast<void>(Start());
    if (gateway_->AwaitEnd(std::chrono::seconds(20))) ++ended;
    EXPECT_NE(gateway_->errors().find("Input/output error"), std::string::npos)
        << gateway_->errors();
    Mend();
    ASSERT_TRUE(Start()) << gateway_->errors();
  }
  EXPECT_EQ(ended, rounds);
  ExpectAll(commands, load.End());
  std::printf("failed=%ld published=%ld\n", ended, load.sent());
}

}  // namespace
}  // namespace gemel::scenario
