// The gateway beside clients that do less with the same libraries, through one broker in one run:
// throughput and CPU a message against a client that only counts, round trips against one that only
// echoes. Load and probe are bare sockets, so that the two cores are the broker's and the
// consumer's. Figures are medians; what counts is the ratio.

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
#include "tests/support/raw_client.h"

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

// Publishes messages as fast as the broker takes them.
class Load {
 public:
  explicit Load(const Broker& broker) {
    if (const Status status = client_.Connect(broker.port(), "load"); !status.ok())
      Give(status.message());
  }
  void Send(int64_t first, int64_t count) {
    for (int64_t n = first; n < first + count; ++n) {
      client_.Publish(InTopic(n), InPayload(n));
      if (n % kBatch != 0) continue;
      do Pump();
      while (client_.in_flight() > kWindow);
    }
    while (client_.in_flight() > 0) Pump();
  }

 private:
  static constexpr int64_t kBatch = 32;
  static constexpr int64_t kWindow = 500;
  void Pump() {
    const auto wait = client_.in_flight() > kWindow ? milliseconds(100) : milliseconds(0);
    if (const Status status = client_.Pump(wait); !status.ok()) Give(status.message());
  }
  support::RawClient client_;
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

// Often enough for runs of seconds, and seldom enough to cost nothing.
constexpr useconds_t kPollUs = 20'000;

Rate MeasureGateway(int64_t count) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  scenario::GatewayProcess gateway(broker, SilentConfiguration());
  if (!gateway.Start()) Give(gateway.errors());
  const std::string applied = "gemel_messages_applied_total{model=\"silent\"}";
  Load load(broker);
  load.Send(0, count);
  while (gateway.Metric(applied) < static_cast<double>(count)) ::usleep(kPollUs);
  const double cpu = CpuSeconds(gateway.pid());
  const auto start = Steady::now();
  load.Send(0, count);
  while (gateway.Metric(applied) < static_cast<double>(2 * count)) ::usleep(kPollUs);
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  return {static_cast<double>(count) / seconds,
          (CpuSeconds(gateway.pid()) - cpu) / static_cast<double>(count) * 1e6};
}

struct Latency {
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  double cpu_us = 0;  // of whoever answers, a message
};

// Sends at an even rate and times each answer: from before the message is written to after its
// answer was read.
Latency Probe(const Broker& broker, pid_t answering, int rate, int seconds) {
  const int64_t count = int64_t{rate} * seconds;
  support::RawClient client;
  Status status = client.Connect(broker.port(), "probe");
  if (status.ok()) status = client.Subscribe("scenario/+/+/out", 0);
  std::vector<Steady::time_point> sent(static_cast<size_t>(count));
  std::vector<double> took_us;
  took_us.reserve(sent.size());
  const auto on_answer = [&](std::string_view, std::string_view payload) {
    const auto now = Steady::now();
    const size_t at = payload.find("\"n\":");
    int64_t n = -1;
    if (at != std::string_view::npos)
      std::from_chars(payload.data() + at + 4, payload.data() + payload.size(), n);
    if (n < 0 || n >= count) return;
    took_us.push_back(
        std::chrono::duration<double, std::micro>(now - sent[static_cast<size_t>(n)]).count());
  };
  const double cpu = CpuSeconds(answering);
  const auto start = Steady::now();
  const auto until = start + std::chrono::seconds(seconds + 10);
  int64_t next = 0;
  while (status.ok() && took_us.size() < sent.size() && Steady::now() < until) {
    const auto due = start + std::chrono::nanoseconds(1'000'000'000 / rate) * next;
    const auto now = Steady::now();
    if (next < count && now >= due) {
      client.Publish(InTopic(next), InPayload(next));
      sent[static_cast<size_t>(next++)] = now;
    }
    const Steady::duration wait = next < count ? due - now : milliseconds(10);
    status = client.Pump(std::max(wait, Steady::duration::zero()), on_answer);
  }
  if (!status.ok()) Give(status.message());
  if (took_us.size() < sent.size()) Give(fmt::format("{} of {} answers", took_us.size(), count));
  std::ranges::sort(took_us);
  const auto at = [&](double share) {
    return took_us[static_cast<size_t>(share * static_cast<double>(count - 1))];
  };
  return {at(0.5), at(0.99), at(0.999),
          (CpuSeconds(answering) - cpu) / static_cast<double>(count) * 1e6};
}

Latency MeasureEcho(int rate, int seconds) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  Process echo({Self(), "echo", broker.uri()});
  if (!echo.ReadLineWith("receiving")) Give(echo.errors());
  return Probe(broker, echo.pid(), rate, seconds);
}

Latency MeasureAnswers(int rate, int seconds) {
  Broker broker;
  if (!broker.Start().ok()) Give("no broker");
  scenario::GatewayProcess gateway(broker, scenario::EchoConfiguration());
  if (!gateway.Start()) Give(gateway.errors());
  return Probe(broker, gateway.pid(), rate, seconds);
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
  std::array<std::vector<double>, 4> echo, gateway, ratio;
  for (int round = 0; round < rounds; ++round) {
    const Latency floor = MeasureEcho(rate, seconds);
    const Latency ours = MeasureAnswers(rate, seconds);
    const std::array<double, 4> a = {floor.p50, floor.p99, floor.p999, floor.cpu_us};
    const std::array<double, 4> b = {ours.p50, ours.p99, ours.p999, ours.cpu_us};
    for (size_t i = 0; i < a.size(); ++i) {
      echo[i].push_back(a[i]);
      gateway[i].push_back(b[i]);
      ratio[i].push_back(b[i] / a[i]);
    }
  }
  fmt::print(
      "round_trip rate={} echo_us={:.0f}/{:.0f}/{:.0f} gateway_us={:.0f}/{:.0f}/{:.0f} "
      "ratio_p50={:.2f} ratio_p99={:.2f} ratio_p999={:.2f} echo_cpu_us={:.1f} "
      "gateway_cpu_us={:.1f} cpu_ratio={:.2f} rounds={}\n",
      rate, Median(echo[0]), Median(echo[1]), Median(echo[2]), Median(gateway[0]),
      Median(gateway[1]), Median(gateway[2]), Median(ratio[0]), Median(ratio[1]), Median(ratio[2]),
      Median(echo[3]), Median(gateway[3]), Median(ratio[3]), rounds);
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
  const std::string part = arguments.size() > 1 ? arguments[1] : "";
  if (part.empty() || part == "throughput") gemel::PrintThroughput(rounds, 200'000);
  if (part.empty() || part == "round_trip") {
    gemel::PrintRoundTrip(rounds, 1'000, 5);
    gemel::PrintRoundTrip(rounds, 10'000, 5);
  }
  return 0;
}
