// Killed at any moment, the gateway loses no message that the broker was told is safe, applies none
// twice, and gives no command two ids. GEMEL_KILLS and GEMEL_SEED set how often, and from which
// seed.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/scenario/gateway_process.h"
#include "tests/support/raw_client.h"
#include "tests/support/tail.h"

namespace gemel::scenario {
namespace {

using std::chrono::milliseconds;
using support::Broker;
using support::Tail;

constexpr int64_t kDevices = 100;
constexpr int64_t kPerSecond = 4'000;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

std::string DeviceOf(int64_t number) { return "d" + std::to_string(number % kDevices); }

// Publishes numbers from 1 on at QoS 1, a device after the other, until told to end.
class NumberedLoad {
 public:
  explicit NumberedLoad(uint16_t port) : thread_([this, port] { Run(port); }) {}
  // Returns the highest number, once all are with the broker.
  int64_t End() {
    is_ending_ = true;
    thread_.join();
    return sent_;
  }
  int64_t sent() const { return sent_; }

 private:
  void Run(uint16_t port) {
    support::RawClient client;
    ASSERT_TRUE(client.Connect(port, "load").ok());
    const auto begin = std::chrono::steady_clock::now();
    while (!is_ending_ || client.in_flight() > 0) {
      const auto passed = std::chrono::steady_clock::now() - begin;
      const int64_t due =
          std::chrono::floor<std::chrono::microseconds>(passed).count() * kPerSecond / 1'000'000;
      while (!is_ending_ && sent_ < due && client.in_flight() < 1'000) {
        const int64_t number = ++sent_;
        client.Publish("scenario/wa/" + DeviceOf(number) + "/in",
                       R"({"n":)" + std::to_string(number) + "}");
      }
      ASSERT_TRUE(client.Pump(milliseconds(1)).ok());
    }
  }

  std::atomic<int64_t> sent_{0};
  std::atomic<bool> is_ending_{false};
  std::thread thread_;
};

// What came on the command topics.
class Answers {
 public:
  void Take(const std::vector<support::Seen>& seen) {
    for (; taken_ < seen.size(); ++taken_) {
      const auto command = nlohmann::json::parse(seen[taken_].payload);
      const std::string id = command["id"];
      const auto number = command["args"]["n"].get<int64_t>();
      const auto [text, is_new_id] = texts_.emplace(id, seen[taken_].payload);
      changed_ += !is_new_id && text->second != seen[taken_].payload ? 1 : 0;
      repeated_ += is_new_id ? 0 : 1;
      if (is_new_id) ++ids_[number];
    }
  }
  int64_t numbers() const { return static_cast<int64_t>(ids_.size()); }
  // Numbers that were answered under more than one id.
  int64_t doubled() const {
    return std::ranges::count_if(ids_, [](const auto& entry) { return entry.second > 1; });
  }
  int64_t changed() const { return changed_; }    // ids that came with two contents
  int64_t repeated() const { return repeated_; }  // the same under the same id

 private:
  size_t taken_ = 0;
  std::map<std::string, std::string> texts_;
  std::map<int64_t, int> ids_;
  int64_t changed_ = 0;
  int64_t repeated_ = 0;
};

// A named place in the gateway, and how often at most it is passed before the process dies there.
struct CrashPlace {
  const char* name;
  uint64_t passes_max;
};

struct Treatment {
  int qos = 1;
  bool has_message_id = true;
  int64_t kills = 30;
  std::vector<CrashPlace> places;  // where it dies, in turn; none: at random moments
};

class KillTest : public ::testing::Test {
 protected:
  void Treat(const Treatment& treatment) {
    nlohmann::json configuration = EchoConfiguration();
    configuration["routes"][0]["qos"] = treatment.qos;
    if (treatment.has_message_id) configuration["routes"][0]["message_id"] = "/n";
    const auto seed = static_cast<uint64_t>(
        FromEnvironment("GEMEL_SEED", static_cast<int64_t>(std::random_device{}())));
    std::mt19937_64 random(seed);
    SCOPED_TRACE("GEMEL_SEED=" + std::to_string(seed));

    Broker broker({.is_persistent = true});
    ASSERT_TRUE(broker.Start().ok());
    GatewayProcess gateway(broker, configuration);
    ASSERT_TRUE(gateway.Start()) << gateway.errors();
    Tail commands(broker, {"scenario/+/+/out"});
    Answers answers;
    NumberedLoad load(broker.port());
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
    commands.WaitFor([&](const auto& seen) {
      answers.Take(seen);
      return answers.numbers() == published;
    });
    CompareTwins(gateway, published, treatment.has_message_id);
    EXPECT_EQ(answers.numbers(), published) << "numbers without an answer";
    EXPECT_EQ(answers.changed(), 0) << "ids that mean two things";
    if (treatment.has_message_id) {
      EXPECT_EQ(answers.doubled(), 0) << "numbers with two ids";
      EXPECT_EQ(applied_twice_, 0);
    }
    EXPECT_GE(10 * busy, 7 * treatment.kills);
    if (!treatment.places.empty()) {
      EXPECT_GT(at_points, treatment.kills / 2);
    }
    EXPECT_EQ(gateway.Stop(), 0) << gateway.errors();
    std::printf(
        "kills=%ld at_points=%ld busy=%ld published=%ld lost=%ld applied_twice=%ld "
        "commands_with_two_ids=%ld commands_repeated=%ld seed=%lu\n",
        treatment.kills, at_points, busy, published, published - answers.numbers() + lost_,
        applied_twice_, answers.doubled(), answers.repeated(), seed);
  }

 private:
  // Each twin against the numbers that its device has sent.
  void CompareTwins(const GatewayProcess& gateway, int64_t published, bool is_exact) {
    for (int64_t device = 0; device < kDevices; ++device) {
      int64_t count = 0;
      int64_t sum = 0;
      for (int64_t n = device == 0 ? kDevices : device; n <= published; n += kDevices) {
        ++count;
        sum += n;
      }
      const HttpAnswer answer = gateway.Get("/api/v1/twins/echo/" + DeviceOf(device));
      ASSERT_EQ(answer.status, 200) << answer.body;
      const nlohmann::json state = answer.Json()["state"];
      const int64_t answered = state["answered"];
      lost_ += std::max<int64_t>(count - answered, 0);
      applied_twice_ += std::max<int64_t>(answered - count, 0);
      EXPECT_GE(answered, count) << DeviceOf(device);
      if (is_exact) {
        EXPECT_EQ(answered, count) << DeviceOf(device);
        EXPECT_EQ(state["sum"], sum) << DeviceOf(device);
      }
    }
  }

  int64_t lost_ = 0;
  int64_t applied_twice_ = 0;
};

TEST_F(KillTest, AtRandomMoments) { Treat({.kills = FromEnvironment("GEMEL_KILLS", 15)}); }

TEST_F(KillTest, AtEachNamedPoint) {
  Treat({.kills = FromEnvironment("GEMEL_KILLS", 15),
         .places = {{"journal.before_write", 800},
                    {"journal.written", 800},
                    {"intake.taken", 800},
                    {"engine.before_model", 800},
                    {"engine.after_model", 800},
                    {"sender.acknowledged", 20},
                    {"sender.recorded", 20}}});
}

TEST_F(KillTest, WithQos2) { Treat({.qos = 2, .kills = FromEnvironment("GEMEL_KILLS", 5)}); }

TEST_F(KillTest, WithoutAMessageIdNothingIsLostAndRepeatsAreCounted) {
  Treat({.has_message_id = false,
         .kills = FromEnvironment("GEMEL_KILLS", 5),
         .places = {{"journal.written", 800}, {"intake.taken", 800}}});
}

}  // namespace
}  // namespace gemel::scenario
