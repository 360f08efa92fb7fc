// Whatever becomes of the broker, the gateway comes back by itself and loses nothing that it took
// over. What the broker itself loses of what it had acknowledged to devices is counted apart.
// GEMEL_KILLS and GEMEL_SEED set how often, and from which seed; GEMEL_UP_MS how long a broker runs
// at least, GEMEL_FREEZE_S how long it is frozen at most.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/scenario/trial.h"
#include "tests/support/raw_client.h"

namespace gemel::scenario {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono::milliseconds;
using support::Broker;

constexpr milliseconds kComesBackIn = 20s;

// Mosquitto with no configuration at all, with Debian's, and with ours.
constexpr const char* kMosquittos = "";
constexpr const char* kDebians = "persistence true\n";  // saved every half hour

std::string Ours() {
  std::ifstream file(GEMEL_SOURCE_DIR "/conf/mosquitto.conf");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("autosave_interval"), std::string::npos);
  return text.str();
}

int64_t Count(std::string_view text, std::string_view part) {
  int64_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size())
    ++count;
  return count;
}

enum class Death : uint8_t { kKilled, kTerminated, kFrozenAndKilled };

struct Treatment {
  std::string name;
  std::string configuration;
  Death death = Death::kKilled;
  int64_t kills = 3;
  bool keeps_session = true;
};

class BrokerTest : public ::testing::Test {
 protected:
  static int64_t Kills(int64_t otherwise) { return FromEnvironment("GEMEL_KILLS", otherwise); }

  void Kill(Trial& trial, Death death) {
    if (death == Death::kTerminated) {
      trial.broker().Stop();
      return;
    }
    if (death == Death::kFrozenAndKilled) {
      trial.broker().Freeze();
      const milliseconds most = std::chrono::seconds(FromEnvironment("GEMEL_FREEZE_S", 3));
      ASSERT_TRUE(trial.Pass(trial.DrawTime(1s, most))) << trial.gateway().errors();
    }
    trial.broker().Kill();
  }

  Trial::Verdict Treat(const Treatment& treatment) {
    Trial trial({.broker = {.configuration = treatment.configuration}});
    if (!trial.Start()) return {};
    // So that a broker that keeps sessions has this one on its disk, as it has after a second.
    EXPECT_TRUE(trial.broker().Restart().ok());
    EXPECT_TRUE(trial.AwaitBack()) << trial.gateway().errors();
    int64_t busy = 0;
    milliseconds slowest{0};
    for (int64_t kill = 0; kill < treatment.kills; ++kill) {
      const milliseconds least(FromEnvironment("GEMEL_UP_MS", 200));
      EXPECT_TRUE(trial.Pass(trial.DrawTime(least, least + 2s))) << trial.gateway().errors();
      if (trial.AwaitBusy()) ++busy;
      Kill(trial, treatment.death);
      EXPECT_TRUE(trial.Pass(trial.DrawTime(0ms, 500ms))) << trial.gateway().errors();
      const Status status = trial.broker().Start();
      EXPECT_TRUE(status.ok()) << status.message();
      const auto back = trial.AwaitBack();
      EXPECT_TRUE(back && *back < kComesBackIn) << trial.gateway().errors();
      slowest = std::max(slowest, back.value_or(support::kPatience));
    }
    const Trial::Verdict verdict = trial.End();
    trial.ExpectNothingLostInGateway(verdict);
    EXPECT_GE(10 * busy, 7 * treatment.kills);
    const int64_t new_sessions = Count(trial.gateway().errors(), ", new session");
    if (treatment.keeps_session) {
      EXPECT_EQ(new_sessions, 1);  // the gateway's first
    } else {
      EXPECT_GT(new_sessions, treatment.kills);
    }
    EXPECT_EQ(trial.gateway().Stop(), 0) << trial.gateway().errors();
    std::printf("broker=%s kills=%ld busy=%ld %s slowest_ms=%ld seed=%lu\n", treatment.name.c_str(),
                treatment.kills, busy, ToString(verdict).c_str(), slowest.count(), trial.seed());
    return verdict;
  }
};

TEST_F(BrokerTest, KilledWithMosquittosDefaults) {
  Treat({.name = "mosquittos/killed",
         .configuration = kMosquittos,
         .kills = Kills(3),
         .keeps_session = false});
}

TEST_F(BrokerTest, TerminatedWithMosquittosDefaults) {
  Treat({.name = "mosquittos/terminated",
         .configuration = kMosquittos,
         .death = Death::kTerminated,
         .kills = Kills(3),
         .keeps_session = false});
}

TEST_F(BrokerTest, KilledWithDebiansDefaults) {
  Treat({.name = "debians/killed", .configuration = kDebians, .kills = Kills(3)});
}

TEST_F(BrokerTest, TerminatedWithDebiansDefaults) {
  Treat({.name = "debians/terminated",
         .configuration = kDebians,
         .death = Death::kTerminated,
         .kills = Kills(3)});
}

TEST_F(BrokerTest, KilledWithOurConfiguration) {
  Treat({.name = "ours/killed", .configuration = Ours(), .kills = Kills(3)});
}

TEST_F(BrokerTest, TerminatedWithOurConfiguration) {
  const Trial::Verdict verdict = Treat({.name = "ours/terminated",
                                        .configuration = Ours(),
                                        .death = Death::kTerminated,
                                        .kills = Kills(3)});
  EXPECT_EQ(verdict.lost_in_broker, 0);
}

TEST_F(BrokerTest, FrozenAndKilledWithOurConfiguration) {
  Treat({.name = "ours/frozen",
         .configuration = Ours(),
         .death = Death::kFrozenAndKilled,
         .kills = Kills(3)});
}

// Of operators: one takes all that comes and reads none of it, one acknowledges nothing.
TEST_F(BrokerTest, SubscribersThatReadNothingHoldNobody) {
  Trial trial({.broker = {.configuration = Ours()}});
  ASSERT_TRUE(trial.Start());
  support::RawClient deaf;
  ASSERT_TRUE(deaf.Connect(trial.broker().port(), "deaf").ok());
  ASSERT_TRUE(deaf.Subscribe("#", 0).ok());
  support::RawClient mute;
  ASSERT_TRUE(mute.Connect(trial.broker().port(), "mute").ok());
  ASSERT_TRUE(mute.Subscribe("#", 1).ok());
  for (int second = 0; second < 5; ++second) {
    ASSERT_TRUE(trial.Pass(1s)) << trial.gateway().errors();
    const auto back = trial.AwaitBack();
    EXPECT_TRUE(back && *back < kComesBackIn) << trial.gateway().errors();
  }
  const Trial::Verdict verdict = trial.End();
  trial.ExpectNothingLostInGateway(verdict);
  EXPECT_EQ(verdict.lost_in_broker, 0);
}

}  // namespace
}  // namespace gemel::scenario
