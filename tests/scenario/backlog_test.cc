// Timers that were due while nobody ran wait for what devices have said meanwhile.

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/support/raw_client.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using std::chrono::milliseconds;
using support::Broker;

constexpr const char* kApplied = "gemel_messages_applied_total{model=\"echo\"}";
constexpr const char* kFired = "gemel_timers_fired_total{model=\"echo\"}";
constexpr const char* kTopic = "scenario/wa/d1/in";
constexpr int kSaidMeanwhile = 700;

// A twin that reminds one second after it is told to, on the right clock.
class BacklogScenario : public ::testing::TestWithParam<std::optional<std::string>> {
 protected:
  void SetUp() override { ASSERT_TRUE(broker_.Start().ok()); }

  // A gateway whose timer is due, and which does not run.
  void BeAwayWhileItIsDue(GatewayProcess& gateway) {
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    ASSERT_TRUE(gateway.AwaitReceiving());
    ASSERT_TRUE(support::Publish(broker_, kTopic, R"({"n":0,"note":"remind"})").ok());
    ASSERT_TRUE(gateway.AwaitMetric(kApplied, 1));
    gateway.Kill();
    // The time itself is what is awaited.
    std::this_thread::sleep_for(milliseconds(1'100));
  }

  Broker broker_{{.configuration = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Brokers, BacklogScenario,
                         ::testing::Values(std::nullopt, std::optional<std::string>("")),
                         [](const auto& instance) {
                           return instance.index == 0 ? "Ours" : "Defaults";
                         });

TEST_P(BacklogScenario, ATimerThatWasCancelledMeanwhileDoesNotFire) {
  GatewayProcess gateway(broker_, EchoConfiguration());
  BeAwayWhileItIsDue(gateway);
  support::RawClient device;
  ASSERT_TRUE(device.Connect(broker_.port(), "device").ok());
  for (int n = 1; n <= kSaidMeanwhile; ++n) {
    const bool is_last = n == kSaidMeanwhile;
    device.Publish(kTopic, fmt::format(R"({{"n":{},"note":"{}"}})", n, is_last ? "done" : "-"));
  }
  while (device.in_flight() > 0) ASSERT_TRUE(device.Pump(milliseconds(5)).ok());
  ASSERT_TRUE(gateway.Start()) << gateway.errors();
  ASSERT_TRUE(gateway.AwaitMetric(kApplied, kSaidMeanwhile)) << gateway.Metric(kApplied);
  // One that is due later fires, so the others have had their turn.
  ASSERT_TRUE(support::Publish(broker_, "scenario/wa/d2/in", R"({"n":1,"note":"remind"})").ok());
  ASSERT_TRUE(gateway.AwaitMetric(kFired, 1));
  const auto alerts = gateway.Get("/api/v1/alerts").Json();
  ASSERT_EQ(alerts.size(), 1u) << alerts;
  EXPECT_EQ(alerts[0]["twin"], "d2");
  EXPECT_EQ(gateway.Metric(kFired), 1);
}

TEST_P(BacklogScenario, ABrokerThatIsAwayHoldsTimersForAWhile) {
  auto configuration = EchoConfiguration();
  configuration["mqtt"]["backlog_wait"] = "300ms";
  GatewayProcess gateway(broker_, configuration);
  BeAwayWhileItIsDue(gateway);
  broker_.Stop();
  ASSERT_TRUE(gateway.StartAlone()) << gateway.errors();
  ASSERT_TRUE(gateway.AwaitMetric(kFired, 1));
  EXPECT_EQ(gateway.Get("/api/v1/alerts").Json().size(), 1u);
}

}  // namespace
}  // namespace gemel::scenario
