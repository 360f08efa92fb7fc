// Whatever becomes of the network between gateway and broker, nothing is lost, nothing is doubled,
// and the gateway comes back by itself. GEMEL_FAULTS and GEMEL_SEED set how many faults, and from
// which seed; GEMEL_FAULT_S how long one lasts at most.

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/scenario/trial.h"

namespace gemel::scenario {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono::milliseconds;
using support::Way;

// So short that a fault of seconds outlasts it, and one of less does not.
constexpr const char* kKeepalive = "2s";
constexpr milliseconds kComesBackIn = 20s;

struct Fault {
  const char* name;
  void (*begin)(Trial& trial);
};

constexpr Fault kPartition{"partition", [](Trial& trial) { trial.proxy().Partition(); }};
constexpr Fault kLossToBroker{"loss_to_broker",
                              [](Trial& trial) { trial.proxy().Lose(Way::kToServer); }};
constexpr Fault kLossToGateway{"loss_to_gateway",
                               [](Trial& trial) { trial.proxy().Lose(Way::kToClient); }};
constexpr Fault kDelay{"delay", [](Trial& trial) {
                         trial.proxy().Delay(Way::kToServer, trial.DrawTime(1ms, 500ms));
                         trial.proxy().Delay(Way::kToClient, trial.DrawTime(1ms, 500ms));
                       }};
constexpr Fault kHalfCloseToBroker{"half_close_to_broker",
                                   [](Trial& trial) { trial.proxy().HalfClose(Way::kToServer); }};
constexpr Fault kHalfCloseToGateway{"half_close_to_gateway",
                                    [](Trial& trial) { trial.proxy().HalfClose(Way::kToClient); }};
constexpr Fault kCut{"cut", [](Trial& trial) { trial.proxy().Cut(); }};
constexpr Fault kRefusal{"refusal", [](Trial& trial) {
                           trial.proxy().Refuse();
                           trial.proxy().Cut();
                         }};

std::string Names(const std::vector<Fault>& faults) {
  std::string names;
  for (const Fault& fault : faults) names += (names.empty() ? "" : ",") + std::string(fault.name);
  return names;
}

class NetworkTest : public ::testing::Test {
 protected:
  // Each fault in turn, for a while, and then the network is well again.
  static void Treat(const std::vector<Fault>& faults) {
    Trial trial(
        {.broker = {.is_persistent = true}, .changes = {{"mqtt", {{"keepalive", kKeepalive}}}}});
    ASSERT_TRUE(trial.Start());
    const milliseconds most = std::chrono::seconds(FromEnvironment("GEMEL_FAULT_S", 5));
    const int64_t rounds = FromEnvironment("GEMEL_FAULTS", 2 * static_cast<int64_t>(faults.size()));
    milliseconds slowest{0};
    int64_t busy = 0;
    for (int64_t round = 0; round < rounds; ++round) {
      const Fault& fault = faults[static_cast<size_t>(round) % faults.size()];
      SCOPED_TRACE(fault.name);
      ASSERT_TRUE(trial.Pass(trial.DrawTime(50ms, 500ms))) << trial.gateway().errors();
      if (trial.AwaitBusy()) ++busy;
      fault.begin(trial);
      ASSERT_TRUE(trial.Pass(trial.DrawTime(20ms, most))) << trial.gateway().errors();
      trial.proxy().Heal();
      const auto back = trial.AwaitBack();
      ASSERT_TRUE(back) << trial.gateway().errors();
      slowest = std::max(slowest, *back);
    }
    EXPECT_LT(slowest, kComesBackIn);
    EXPECT_GE(10 * busy, 7 * rounds);
    const Trial::Verdict verdict = trial.End();
    trial.ExpectNothingLostInGateway(verdict);
    EXPECT_EQ(verdict.lost_in_broker, 0);
    EXPECT_EQ(trial.gateway().Stop(), 0) << trial.gateway().errors();
    std::printf("network=%s faults=%ld busy=%ld connections=%lu %s slowest_ms=%ld seed=%lu\n",
                Names(faults).c_str(), rounds, busy, trial.proxy().links_total(),
                ToString(verdict).c_str(), slowest.count(), trial.seed());
  }
};

TEST_F(NetworkTest, Partition) { Treat({kPartition}); }
TEST_F(NetworkTest, LossInOneDirection) { Treat({kLossToBroker, kLossToGateway}); }
TEST_F(NetworkTest, Delay) { Treat({kDelay}); }
TEST_F(NetworkTest, HalfClose) { Treat({kHalfCloseToBroker, kHalfCloseToGateway}); }
TEST_F(NetworkTest, CutAndRefusal) { Treat({kCut, kRefusal}); }

}  // namespace
}  // namespace gemel::scenario
