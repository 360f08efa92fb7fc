// Killed at any moment, the gateway loses no message that the broker was told is safe, applies none
// twice, and gives no command two ids. GEMEL_KILLS and GEMEL_SEED set how often, and from which
// seed.

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/support/effort.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using std::chrono::milliseconds;
using support::Broker;
using support::Tail;

// A named place in the gateway, and how often at most it is passed before the process dies there.
struct CrashPlace {
  const char* name;
  uint64_t passes_max;
};

// Of each device as much as may come again: once a session was resumed, Mosquitto 2.0.11 keeps to
// no receive maximum, so that is all that has waited for the gateway.
constexpr int64_t kRepeatWindow = 4'000;

struct Treatment {
  int qos = 1;
  bool has_message_id = true;
  int64_t kills = 30;
  std::vector<CrashPlace> places;  // where it dies, in turn; none: at random moments
  bool tells_total = false;        // twins tell each number to twins of another model
};

// What those have come to, all together.
struct Totals {
  int64_t told = 0;
  int64_t sum = 0;
  int64_t beats = 0;
};

Totals TotalsOf(const GatewayProcess& gateway) {
  Totals totals;
  for (int twin = 0; twin < 7; ++twin) {
    const HttpAnswer answer = gateway.Get("/api/v1/twins/total/t" + std::to_string(twin));
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) continue;
    const nlohmann::json state = answer.Json()["state"];
    totals.told += state["told"].get<int64_t>();
    totals.sum += state["sum"].get<int64_t>();
    totals.beats += state["beats"].get<int64_t>();
  }
  return totals;
}

nlohmann::json ConfigurationOf(const Treatment& treatment) {
  nlohmann::json configuration = EchoConfiguration();
  configuration["routes"][0]["qos"] = treatment.qos;
  if (treatment.has_message_id) {
    configuration["routes"][0]["message_id"] = "/n";
    configuration["routes"][0]["repeat_window"] = kRepeatWindow;
  }
  if (treatment.tells_total) {
    configuration["models"][0]["parameters"] = {{"tells_total", true}};
    configuration["models"].push_back({{"name", "total"}, {"plugin", PluginPath("total")}});
  }
  configuration["store"]["snapshot_every"] = "100ms";
  return configuration;
}

class KillTest : public ::testing::Test {
 protected:
  void Treat(const Treatment& treatment) {
    const auto seed = static_cast<uint64_t>(
        FromEnvironment("GEMEL_SEED", static_cast<int64_t>(std::random_device{}())));
    std::mt19937_64 random(seed);
    SCOPED_TRACE("GEMEL_SEED=" + std::to_string(seed));

    Broker broker({.is_persistent = true});
    ASSERT_TRUE(broker.Start().ok());
    GatewayProcess gateway(broker, ConfigurationOf(treatment));
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    Tail commands(broker, {"scenario/+/+/out"});
    Answers answers;
    NumberedLoad load(broker.port(), kBusyPerSecond);
    int64_t busy = 0;
    int64_t at_points = 0;
    gateway.Kill();
    for (int64_t kill = 0; kill < treatment.kills; ++kill) {
      const bool is_at_point = !treatment.places.empty();
      std::vector<std::string> environment;
      if (is_at_point) {
        const CrashPlace& place =
            treatment.places[static_cast<size_t>(kill) % treatment.places.size()];
        environment = {std::string("GEMEL_CRASH_AT=") + place.name + ":" +
                       std::to_string(1 + random() % place.passes_max)};
      }
      const bool is_ready = gateway.Start(environment);
      ASSERT_TRUE(is_ready || is_at_point) << gateway.errors();
      const milliseconds until_kill(is_at_point ? 5'000 : 20 + random() % 300);
      if (gateway.AwaitEnd(until_kill)) ++at_points;
      gateway.Kill();
      commands.WaitFor([&](const auto& seen) { return seen.size() > 0; }, milliseconds(1));
      answers.Take(commands.seen());
      if (answers.numbers() < load.sent()) ++busy;
    }
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    const int64_t published = load.End();
    answers.AwaitAll(commands, published);
    const Comparison twins = CompareTwins(gateway, published);
    EXPECT_EQ(twins.lost, 0);
    EXPECT_EQ(answers.numbers(), published) << "numbers without an answer";
    EXPECT_EQ(answers.changed(), 0) << "ids that mean two things";
    if (treatment.has_message_id) {
      EXPECT_EQ(answers.doubled(), 0) << "numbers with two ids";
      EXPECT_EQ(twins.applied_twice, 0);
      EXPECT_EQ(twins.wrong_sums, 0);
    }
    if (treatment.tells_total) {
      const Totals totals = TotalsOf(gateway);
      EXPECT_EQ(totals.told, published) << "each number once, from twin to twin";
      EXPECT_EQ(totals.sum, published * (published + 1) / 2);
      EXPECT_GT(totals.beats, 0);
      std::printf("told=%ld beats=%ld ", totals.told, totals.beats);
    }
    EXPECT_GE(10 * busy, 7 * treatment.kills);
    if (!treatment.places.empty()) {
      EXPECT_GT(at_points, treatment.kills / 2);
    }
    EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
    std::printf(
        "kills=%ld at_points=%ld busy=%ld published=%ld lost=%ld applied_twice=%ld "
        "commands_with_two_ids=%ld commands_repeated=%ld seed=%lu\n",
        treatment.kills, at_points, busy, published, twins.lost, twins.applied_twice,
        answers.doubled(), answers.repeated(), seed);
  }
};

TEST_F(KillTest, AtRandomMoments) {
  Treat({.kills = FromEnvironment("GEMEL_KILLS", support::Rounds(15, 6))});
}

TEST_F(KillTest, AtEachNamedPoint) {
  Treat({.kills = FromEnvironment("GEMEL_KILLS", support::Rounds(15, 6)),
         .places = {{"journal.before_write", 800},
                    {"journal.written", 800},
                    {"intake.taken", 800},
                    {"engine.before_model", 800},
                    {"engine.after_model", 800},
                    {"sender.acknowledged", 20},
                    {"sender.recorded", 20},
                    {"store.scanning", 10},
                    {"store.scanned", 5},
                    {"store.before_commit", 5},
                    {"store.committed", 5}}});
}

TEST_F(KillTest, WhatTwinsTellEachOtherCountsOnceToo) {
  Treat({.kills = FromEnvironment("GEMEL_KILLS", support::Rounds(15, 6)),
         .places = {{"shard.before_sent", 800},
                    {"shard.sent", 800},
                    {"journal.written", 1'600},
                    {"engine.after_model", 800},
                    {"store.scanning", 10},
                    {"store.before_commit", 5},
                    {"store.committed", 5}},
         .tells_total = true});
}

TEST_F(KillTest, WithQos2) {
  Treat({.qos = 2, .kills = FromEnvironment("GEMEL_KILLS", support::Rounds(5, 3))});
}

TEST_F(KillTest, WithoutAMessageIdNothingIsLostAndRepeatsAreCounted) {
  Treat({.has_message_id = false,
         .kills = FromEnvironment("GEMEL_KILLS", support::Rounds(5, 3)),
         .places = {{"journal.written", 800}, {"intake.taken", 800}}});
}

}  // namespace
}  // namespace gemel::scenario
