#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/scenario/numbered_load.h"
#include "tests/scenario/witness.h"
#include "tests/support/broker.h"
#include "tests/support/proxy.h"

namespace gemel::scenario {

// A gateway with the echo model under a numbered load, and between it and its broker a bad network
// with a witness. What a test does to one of them is drawn from a seed, which is said;
// GEMEL_SEED repeats it, and GEMEL_PER_SECOND sets the load.
//
//   Trial trial({.broker = {.is_persistent = true}});
//   ASSERT_TRUE(trial.Start());
//   trial.broker().Kill();
//   …
//   const Verdict verdict = trial.End();
class Trial {
 public:
  struct Options {
    support::Broker::Options broker;
    nlohmann::json changes = nlohmann::json::object();  // to the gateway's configuration
    std::vector<std::string> environment = {};          // of the gateway
  };
  // What became of the numbers.
  struct Verdict {
    int64_t published = 0;
    int64_t lost_in_broker = 0;   // acknowledged to the device, and never handed to the gateway
    int64_t lost_in_gateway = 0;  // acknowledged by the gateway, and in no twin or not answered
    int64_t applied_twice = 0;
    int64_t wrong_sums = 0;  // twins
    int64_t doubled = 0;     // numbers with two command ids
    int64_t changed = 0;     // command ids with two contents
    int64_t redelivered = 0;
    int64_t repeated = 0;
    bool is_settled = false;
  };

  explicit Trial(Options options);

  // Broker, proxy, gateway, load. False, with the reason as a failure of the test.
  bool Start();
  // Lets this much time pass, which is treatment and no wait for something. False if the gateway
  // has ended meanwhile.
  bool Pass(std::chrono::milliseconds time) { return !gateway_->AwaitEnd(time); }
  // Waits until the gateway takes messages over and answers some; how long that took. Nothing if it
  // doesn't.
  std::optional<std::chrono::milliseconds> AwaitBack() const;
  // Waits for a moment at which something is on its way from a device to the gateway: what is done
  // to broker or gateway then hits it. False if there is none.
  bool AwaitBusy() const;
  // Ends the load and asks witness and twins. REQUIRES: all are well again.
  Verdict End();
  // Has the test fail for whatever the gateway did wrong.
  void ExpectNothingLostInGateway(const Verdict& verdict) const;

  // A number from 0 to `most`.
  uint64_t Draw(uint64_t most) { return std::uniform_int_distribution<uint64_t>(0, most)(random_); }
  std::chrono::milliseconds DrawTime(std::chrono::milliseconds least,
                                     std::chrono::milliseconds most);
  uint64_t seed() const { return seed_; }
  support::Broker& broker() { return broker_; }
  support::Proxy& proxy() { return *proxy_; }
  GatewayProcess& gateway() { return *gateway_; }
  NumberedLoad& load() { return *load_; }
  const Witness& witness() const { return witness_; }

 private:
  // False if nothing is answered any more, and this number is not.
  bool AwaitAnswer(int64_t number) const;

  const Options options_;
  const uint64_t seed_;
  std::mt19937_64 random_;
  support::Broker broker_;
  Witness witness_;  // outlives the proxy, which tells it
  std::optional<support::Proxy> proxy_;
  std::optional<GatewayProcess> gateway_;
  std::optional<NumberedLoad> load_;
};

// For a line of figures.
std::string ToString(const Trial::Verdict& verdict);

}  // namespace gemel::scenario
