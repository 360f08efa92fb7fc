// The gateway beside clients that do less with the same libraries, through one broker in one run:
// throughput and CPU a message against a client that only counts, round trips against one that only
// echoes. Figures are medians; what counts is the ratio.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "tests/scenario/gateway_process.h"
#include "tests/support/broker.h"
#include "tests/support/process.h"

namespace gemel {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using support::Broker;
using support::Process;

std::string InTopic(int64_t n) { return fmt::format("scenario/wa/d{}/in", n % 100); }

// The devices' side of a 240-byte message.
std::string InPayload(int64_t n) {
  std::string payload =
      fmt::format(R"({{"n":{},"value":21.5,"note":"nothing to report","is_on":true,"pad":")", n);
  payload.append(238 - payload.size(), 'x');
  return payload + "\"}";
}

[[noreturn]] void Give(const std::string& what) {
  fmt::print(stderr, "broker_bench: {}\n", what);
  std::exit(3);
}

// Waits for SIGTERM on the main thread.
void AwaitTerm() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  int got = 0;
  sigwait(&set, &got);
}

void BlockTerm() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void SayReceiving(bool is_receiving, std::string_view) {
  if (!is_receiving) return;
  fmt::print("receiving\n");
  std::fflush(stdout);
}

// Child: counts until it has `count`, then says so.
int RunCounter(const std::string& uri, int64_t count) {
  BlockTerm();
  int64_t seen = 0;
  auto receiver = mqtt::MakePahoReceiver({.uri = uri, .client_id = "counter"});
  const Status status = receiver->Start(
      {{"scenario/+/+/in", 1}},
      [&](const mqtt::Inbound&) {
        if (++seen % count == 0) {
          fmt::print("counted {}\n", seen);
          std::fflush(stdout);
        }
      },
      &SayReceiving);
  if (!status.ok()) Give(status.message());
  AwaitTerm();
  receiver->Stop();
  return 0;
}

// Child: answers each message from within the callback with the same payload.
int RunEcho(const std::string& uri) {
  BlockTerm();
  auto publisher = mqtt::MakePahoPublisher({.uri = uri, .client_id = "echo"}, {});
  if (const Status status = publisher->Connect(); !status.ok()) Give(status.message());
  std::vector<mqtt::Publisher::Token> tokens;
  auto receiver = mqtt::MakePahoReceiver({.uri = uri, .client_id = "echo"});
  const Status status = receiver->Start(
      {{"scenario/+/+/in", 1}},
      [&](const mqtt::Inbound& message) {
        std::string topic(message.topic);
        topic.replace(topic.size() - 2, 2, "out");
        while (
            !publisher->Publish({.topic = topic, .payload = std::string(message.payload)}).ok()) {
          publisher->Acknowledged(tokens, milliseconds(1));
        }
        tokens.clear();
        publisher->Acknowledged(tokens, milliseconds(0));
      },
      &SayReceiving);
  if (!status.ok()) Give(status.message());
  AwaitTerm();
  receiver->Stop();
  publisher->Disconnect();
  return 0;
}

// User and system time of a process.
double CpuSeconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  double ticks = 0;
  for (int i = 3; i <= 15 && fields >> field; ++i) {
    if (i >= 14) ticks += std::stod(field);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Publishes `count` messages as fast as the broker takes them.
class Load {
 public:
  explicit Load(const Broker& broker)
      : publisher_(mqtt::MakePahoPublisher({.uri = broker.uri(), .client_id = "load"}, {})) {
    if (const Status status = publisher_->Connect(); !status.ok()) Give(status.message());
  }
  ~Load() { publisher_->Disconnect(); }
  void Send(int64_t first, int64_t count) {
    int64_t open = 0;
    for (int64_t n = first; n < first + count;) {
      if (open < kWindow &&
          publisher_->Publish({.topic = InTopic(n), .payload = InPayload(n)}).ok()) {
        ++open;
        ++n;
        if (n % 64 != 0) continue;
      }
      open -= Collect(open < kWindow ? milliseconds(0) : milliseconds(1));
    }
    while (open > 0) open -= Collect(milliseconds(10));
  }

 private:
  static constexpr int64_t kWindow = 1'000;
  int64_t Collect(milliseconds wait) {
    tokens_.clear();
    publisher_->Acknowledged(tokens_, wait);
    return static_cast<int64_t>(tokens_.size());
  }
  std::unique_ptr<mqtt::Publisher> publisher_;
  std::vector<mqtt::Publisher::Token> tokens_;
};

template <typename T>
T Median(std::vector<T> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string Self() {
  char path[4'096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return {path, static_cast<size_t>(size)};
}

struct Rate {
  double messages_per_second = 0;
  double cpu_us = 0;  // of the consumer, a message
};

Rate MeasureCounter(int64_t count) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  Process counter({Self(), "count", broker.uri(), std::to_string(count)});
  if (!counter.ReadLineWith("receiving")) Give(counter.errors());
  Load load(broker);
  load.Send(0, count);  // warm
  if (!counter.ReadLineWith("counted")) Give("the counter lost messages");
  const double cpu = CpuSeconds(counter.pid());
  const auto start = Steady::now();
  load.Send(0, count);
  if (!counter.ReadLineWith("counted")) Give("the counter lost messages");
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return {static_cast<double>(count) / seconds,
          (CpuSeconds(counter.pid()) - cpu) / static_cast<double>(count) * 1e6};
}

nlohmann::json SilentConfiguration() {
  nlohmann::json configuration = scenario::EchoConfiguration();
  configuration["models"][0]["plugin"] = scenario::PluginPath("silent");
  configuration["models"][0]["name"] = "silent";
  configuration["routes"][0]["model"] = "silent";
  configuration["routes"][0].erase("command");
  return configuration;
}

Rate MeasureGateway(int64_t count) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  scenario::GatewayProcess gateway(broker, SilentConfiguration());
  if (!gateway.Start()) Give(gateway.errors());
  const std::string applied = "gemel_messages_applied_total{model=\"silent\"}";
  Load load(broker);
  load.Send(0, count);
  while (gateway.Metric(applied) < static_cast<double>(count)) ::usleep(1'000);
  const double cpu = CpuSeconds(gateway.pid());
  const auto start = Steady::now();
  load.Send(0, count);
  while (gateway.Metric(applied) < static_cast<double>(2 * count)) ::usleep(1'000);
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return {static_cast<double>(count) / seconds,
          (CpuSeconds(gateway.pid()) - cpu) / static_cast<double>(count) * 1e6};
}

struct Latency {
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
};

// Sends at an even rate and times each answer.
Latency Probe(const Broker& broker, int rate, int seconds) {
  const int64_t count = int64_t{rate} * seconds;
  std::vector<std::atomic<int64_t>> sent(static_cast<size_t>(count));
  std::vector<double> took(static_cast<size_t>(count), -1);
  std::atomic<int64_t> answers{0};
  std::atomic<bool> is_receiving{false};
  auto receiver = mqtt::MakePahoReceiver({.uri = broker.uri(), .client_id = "probe"});
  const Status status = receiver->Start(
      {{"scenario/+/+/out", 1}},
      [&](const mqtt::Inbound& message) {
        const int64_t now = Steady::now().time_since_epoch().count();
        const size_t at = message.payload.find("\"n\":");
        int64_t n = -1;
        if (at != std::string_view::npos) {
          std::from_chars(message.payload.data() + at + 4,
                          message.payload.data() + message.payload.size(), n);
        }
        if (n < 0 || n >= count) return;
        took[static_cast<size_t>(n)] =
            static_cast<double>(now - sent[static_cast<size_t>(n)].load()) / 1e3;
        ++answers;
      },
      [&](bool now_receiving, std::string_view) { is_receiving = now_receiving; });
  if (!status.ok()) Give(status.message());
  while (!is_receiving) ::usleep(1'000);
  auto publisher = mqtt::MakePahoPublisher({.uri = broker.uri(), .client_id = "probe"}, {});
  if (const Status connected = publisher->Connect(); !connected.ok()) Give(connected.message());
  std::vector<mqtt::Publisher::Token> tokens;
  const auto start = Steady::now();
  for (int64_t n = 0; n < count; ++n) {
    const auto due = start + std::chrono::nanoseconds(1'000'000'000 / rate) * n;
    std::this_thread::sleep_until(due);
    sent[static_cast<size_t>(n)] = Steady::now().time_since_epoch().count();
    while (!publisher->Publish({.topic = InTopic(n), .payload = InPayload(n)}).ok()) {
      publisher->Acknowledged(tokens, milliseconds(1));
    }
    tokens.clear();
    publisher->Acknowledged(tokens, milliseconds(0));
  }
  const auto until = Steady::now() + std::chrono::seconds(10);
  while (answers < count && Steady::now() < until) ::usleep(1'000);
  if (answers < count) Give(fmt::format("{} of {} answers", answers.load(), count));
  receiver->Stop();
  publisher->Disconnect();
  std::ranges::sort(took);
  const auto at = [&](double share) {
    return took[static_cast<size_t>(share * static_cast<double>(count - 1))];
  };
  return {at(0.5), at(0.99), at(0.999)};
}

Latency MeasureEcho(int rate, int seconds) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  Process echo({Self(), "echo", broker.uri()});
  if (!echo.ReadLineWith("receiving")) Give(echo.errors());
  return Probe(broker, rate, seconds);
}

Latency MeasureAnswers(int rate, int seconds) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  scenario::GatewayProcess gateway(broker, scenario::EchoConfiguration());
  if (!gateway.Start()) Give(gateway.errors());
  return Probe(broker, rate, seconds);
}

void PrintThroughput(int rounds, int64_t count) {
  std::vector<double> counter, gateway, counter_cpu, gateway_cpu, ratio, cpu_ratio;
  for (int round = 0; round < rounds; ++round) {
    const Rate floor = MeasureCounter(count);
    const Rate ours = MeasureGateway(count);
    counter.push_back(floor.messages_per_second);
    gateway.push_back(ours.messages_per_second);
    counter_cpu.push_back(floor.cpu_us);
    gateway_cpu.push_back(ours.cpu_us);
    ratio.push_back(ours.messages_per_second / floor.messages_per_second);
    cpu_ratio.push_back(ours.cpu_us / floor.cpu_us);
  }
  fmt::print(
      "broker qos=1 counter_per_second={:.0f} gateway_per_second={:.0f} ratio={:.2f} "
      "counter_cpu_us={:.1f} "
      "gateway_cpu_us={:.1f} cpu_ratio={:.2f} rounds={}\n",
      Median(counter), Median(gateway), Median(ratio), Median(counter_cpu), Median(gateway_cpu),
      Median(cpu_ratio), rounds);
  std::fflush(stdout);
}

void PrintRoundTrip(int rounds, int rate, int seconds) {
  std::array<std::vector<double>, 3> echo, gateway, ratio;
  for (int round = 0; round < rounds; ++round) {
    const Latency floor = MeasureEcho(rate, seconds);
    const Latency ours = MeasureAnswers(rate, seconds);
    const std::array<double, 3> a = {floor.p50, floor.p99, floor.p999};
    const std::array<double, 3> b = {ours.p50, ours.p99, ours.p999};
    for (size_t i = 0; i < 3; ++i) {
      echo[i].push_back(a[i]);
      gateway[i].push_back(b[i]);
      ratio[i].push_back(b[i] / a[i]);
    }
  }
  fmt::print(
      "round_trip rate={} echo_us={:.0f}/{:.0f}/{:.0f} gateway_us={:.0f}/{:.0f}/{:.0f} "
      "ratio_p50={:.2f} ratio_p99={:.2f} ratio_p999={:.2f} rounds={}\n",
      rate, Median(echo[0]), Median(echo[1]), Median(echo[2]), Median(gateway[0]),
      Median(gateway[1]), Median(gateway[2]), Median(ratio[0]), Median(ratio[1]), Median(ratio[2]),
      rounds);
  std::fflush(stdout);
}

}  // namespace
}  // namespace gemel

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "count")
    return gemel::RunCounter(arguments[1], std::stoll(arguments[2]));
  if (arguments.size() == 2 && arguments[0] == "echo") return gemel::RunEcho(arguments[1]);
  const int rounds = arguments.empty() ? 5 : std::stoi(arguments[0]);
  gemel::PrintThroughput(rounds, 100'000);
  gemel::PrintRoundTrip(rounds, 1'000, 5);
  gemel::PrintRoundTrip(rounds, 10'000, 5);
  return 0;
}
