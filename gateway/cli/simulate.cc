#include "gateway/cli/simulate.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/clock.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/model/plugin.h"
#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "gateway/simulate/simulation.h"

namespace gemel::cli {
namespace {

constexpr const char* kMeaning =
    "Runs simulated devices against a broker: each publishes telemetry as its model decides, takes "
    "commands and answers them.";

constexpr const char* kFooter =
    "Devices tick at a pace of their own (a truck: once a second) in virtual time, which begins at "
    "the\nwall clock's now and is the time_ms of their telemetry. By default virtual time runs as "
    "fast as real\ntime. --speed 10 runs it ten times as fast. --rate 5000 lets it run just so "
    "fast "
    "or so slow that the\nwhole fleet sends 5,000 messages a second; --rate max as fast as the "
    "broker takes them. With both,\nthe slower one counts. A gateway refuses times that are more "
    "than limits.event_time_ahead ahead.\n\nExample: gemel simulate --model truck --count 500 "
    "--broker mqtt://127.0.0.1:1883 --seconds 30";

struct Arguments {
  std::string model;
  uint32_t count = 1;
  uint64_t seed = 1;
  std::string rate, speed;
  std::string broker, client_id;
  std::optional<double> seconds;
  std::optional<uint64_t> messages;
  std::string config, plugin, truth;
  std::string topic, command_topic;
  std::optional<int> qos;
  bool is_json = false;
};

// Set by a signal; there is nowhere else for a handler to leave it.
std::atomic<bool> is_stopping{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void StopOnSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { is_stopping = true; };
  // A second signal means now.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void AddOptions(CLI::App& app, Arguments& a) {
  app.footer(kFooter);
  app.add_option("--model", a.model, "Model to simulate, as the configuration calls it")
      ->required();
  app.add_option("--count", a.count, "Devices, called <model>-1 to <model>-<count>")
      ->check(CLI::Range(uint32_t{1}, simulate::kDevicesMax))
      ->capture_default_str();
  app.add_option("--rate", a.rate, "Messages a second of the whole fleet, or max");
  app.add_option("--speed", a.speed,
                 "Virtual seconds a second, or max (default: 1, without --rate)");
  app.add_option("--seconds", a.seconds, "Ends after so long (default: runs until SIGINT)")
      ->check(CLI::PositiveNumber);
  app.add_option("--messages", a.messages, "Ends after so many messages of telemetry, too");
  app.add_option("--broker", a.broker,
                 "mqtt://host:port or mqtts://host:port (default: as the "
                 "configuration says)");
  app.add_option("--client-id", a.client_id, "MQTT client id, to which -pub is added for sending");
  app.add_option("--seed", a.seed, "The same seed gives the same fleet")->capture_default_str();
  app.add_option("--config", a.config,
                 "Configuration whose first route of the model is used "
                 "(default: models/<model>/<model>.json)");
  app.add_option("--plugin", a.plugin, "Plug-in to load (default: as the configuration says)");
  app.add_option("--topic", a.topic, "Telemetry topic, fleet/{region}/truck/{id}/telemetry");
  app.add_option("--command-topic", a.command_topic,
                 "Command topic; answers go to the same with /ack");
  app.add_option("--qos", a.qos, "QoS of telemetry")->check(CLI::Range(0, 2));
  app.add_option("--truth", a.truth, "File for the faults that devices state, as JSON lines");
  app.add_flag("--json", a.is_json, "The summary as a JSON object");
}

// Nothing for "max".
Result<std::optional<double>> ParsePace(const std::string& option, std::string text) {
  if (text == "max") return std::optional<double>();
  const std::string given = text;
  if (option == "--speed" && text.ends_with('x')) text.pop_back();
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value > 0) || !(value <= 1e9)) {
    return Invalid(fmt::format("{} {}: allowed: a number above 0, or max", option, given));
  }
  return std::optional<double>(value);
}

Result<simulate::Pace> PaceOf(const Arguments& a) {
  simulate::Pace pace;
  if (!a.rate.empty()) {
    GEMEL_TRY_LET(pace.rate, ParsePace("--rate", a.rate));
  }
  if (!a.speed.empty()) {
    GEMEL_TRY_LET(pace.speed, ParsePace("--speed", a.speed));
  }
  if (a.rate.empty() && a.speed.empty()) pace.speed = 1.0;
  return pace;
}

// The demonstration's configuration of the model: installed, beside the build, or here.
std::filesystem::path FindConfig(const std::string& model) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::filesystem::path name = model + ".json";
  const std::filesystem::path places[] = {program / "../../../models" / model / name,
                                          std::filesystem::path("models") / model / name,
                                          program / "../lib/gemel/models" / name,
                                          std::filesystem::path("/usr/lib/gemel/models") / name};
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::is_regular_file(place, error)) return place.lexically_normal();
  }
  return {};
}

// What flags and configuration say together.
struct Plan {
  config::Mqtt mqtt;
  config::Route route;
  std::filesystem::path plugin;
};

Result<Plan> MakePlan(const Arguments& a) {
  const std::filesystem::path path =
      a.config.empty() ? FindConfig(a.model) : std::filesystem::path(a.config);
  Plan plan;
  std::string plugin = a.model + ".so";
  std::filesystem::path folder = ".";
  if (!path.empty()) {
    GEMEL_TRY_LET(config::Config config, config::Load(path, config::ProcessEnvironment()));
    const auto route = std::ranges::find(config.routes, a.model, &config::Route::model);
    const auto model = std::ranges::find(config.models, a.model, &config::Model::name);
    if (route != config.routes.end()) plan.route = *route;
    if (model != config.models.end()) plugin = model->plugin;
    plan.mqtt = config.mqtt;
    folder = path.parent_path();
  }
  if (!a.topic.empty()) plan.route.topic = a.topic;
  if (!a.command_topic.empty()) {
    plan.route.command = a.command_topic;
    plan.route.command_ack = a.command_topic + "/ack";
  }
  if (a.qos) plan.route.qos = *a.qos;
  if (!a.broker.empty()) plan.mqtt.uri = a.broker;
  if (plan.route.topic.empty()) {
    return NotFound(path.empty() ? "no configuration models/" + a.model + "/" + a.model +
                                       ".json found; give --config or --topic"
                                 : path.string() + ": no route of model " + a.model +
                                       "; give another --config or --topic");
  }
  if (a.plugin.empty()) {
    GEMEL_TRY_LET(plan.plugin, model::FindPlugin(plugin, folder));
  } else {
    plan.plugin = std::filesystem::absolute(a.plugin);
  }
  return plan;
}

Result<std::unique_ptr<simulate::Fleet>> MakeFleet(const Arguments& a, const Plan& plan) {
  GEMEL_TRY_LET(const gemel_model* const table, model::LoadPlugin(plan.plugin));
  if (table->device == nullptr) {
    return Invalid(fmt::format("plug-in {}: model {} has no device to simulate",
                               plan.plugin.string(), table->name));
  }
  GEMEL_TRY_LET(route::Template telemetry, route::Template::Parse(plan.route.topic));
  simulate::FleetOptions options{
      .model = a.model, .devices = a.count, .seed = a.seed, .telemetry = std::move(telemetry)};
  if (!plan.route.command.empty()) {
    GEMEL_TRY_LET(options.command, route::Template::Parse(plan.route.command));
  }
  if (!plan.route.command_ack.empty()) {
    GEMEL_TRY_LET(options.answer, route::Template::Parse(plan.route.command_ack));
  }
  return simulate::Fleet::Create(table->device, std::move(options));
}

mqtt::Connection MakeConnection(const config::Mqtt& from, const std::string& client_id) {
  // Of its own, as several fleets may run at a time; and its session goes soon after it.
  return {
      .uri = from.uri,
      .client_id = client_id.empty() ? fmt::format("gemel-simulate-{:08x}", std::random_device{}())
                                     : client_id,
      .version = from.version == config::MqttVersion::k5 ? mqtt::Version::k5 : mqtt::Version::k311,
      .keepalive = from.keepalive,
      .session_expiry = std::chrono::seconds(60),
      .receive_maximum = 1'000,
      .username = from.username,
      .password = from.password,
      .ca_file = from.ca_file.string(),
      .certificate_file = from.certificate_file.string(),
      .key_file = from.key_file.string(),
      .verify_server = from.verify_server};
}

double ToMilliseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1e6;
}

void PrintProgress(const simulate::SimulationSummary& s) {
  const double seconds = ToMilliseconds(s.elapsed) / 1e3;
  const double rate = seconds > 0 ? static_cast<double>(s.sent) / seconds : 0;
  const std::string line =
      fmt::format("\r{:.0f} s  sent {}  acknowledged {}  {:.0f}/s  commands {}  p50 {:.2f} ms  ",
                  seconds, s.sent, s.acknowledged, rate, s.commands, ToMilliseconds(s.p50));
  std::fputs(line.c_str(), stderr);
}

void PrintSummary(const simulate::SimulationSummary& s, bool is_json) {
  const auto* format = is_json ? R"({{"sent":{},"acknowledged":{},"commands":{},"p50_ms":{:.3f},)"
                                 R"("p99_ms":{:.3f},"seconds":{:.3f}}})"
                                 "\n"
                               : "simulate sent={} acknowledged={} commands={} p50_ms={:.3f} "
                                 "p99_ms={:.3f} seconds={:.3f}\n";
  const std::string line =
      fmt::format(fmt::runtime(format), s.sent, s.acknowledged, s.commands, ToMilliseconds(s.p50),
                  ToMilliseconds(s.p99), ToMilliseconds(s.elapsed) / 1e3);
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

// What went wrong without being a failure.
void PrintNotes(const simulate::SimulationSummary& s) {
  const auto note = [](uint64_t count, const char* what) {
    if (count > 0)
      std::fprintf(stderr, "gemel: simulate: %s\n", fmt::format("{} {}", count, what).c_str());
  };
  note(s.repeated, "messages were sent again after a lost connection");
  note(s.commands_dropped, "commands were dropped, as they came faster than devices take them");
  note(s.calls_failed, "calls of the device model failed; those devices may be silent");
}

int Failed(int code, const Status& status) {
  return Fail(code, ("simulate: " + status.message()).c_str());
}

Status Run(const Arguments& a, simulate::Fleet& fleet, const Plan& plan, simulate::Pace pace) {
  std::ofstream truth;
  if (!a.truth.empty()) {
    truth.open(a.truth);
    if (!truth) return Unavailable("cannot write " + a.truth);
  }
  const SystemClock clock;
  const mqtt::Connection connection = MakeConnection(plan.mqtt, a.client_id);
  const auto publisher = mqtt::MakePahoPublisher(connection, {});
  std::unique_ptr<mqtt::Receiver> receiver;
  if (!plan.route.command.empty()) receiver = mqtt::MakePahoReceiver(connection);
  simulate::SimulationOptions options{.pace = pace, .messages = a.messages, .qos = plan.route.qos};
  if (a.seconds) {
    options.duration = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(std::min(*a.seconds, 1e9)));
  }
  std::string line;
  simulate::Simulation simulation(fleet, *publisher, receiver.get(), clock, options,
                                  [&](const simulate::Truth& fact) {
                                    if (!truth.is_open()) return;
                                    line.clear();
                                    simulate::AppendTruthLine(fact, line);
                                    truth << line;
                                  });
  StopOnSignals();
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  Status status =
      is_terminal ? simulation.Run(is_stopping, PrintProgress) : simulation.Run(is_stopping);
  if (is_terminal) std::fputs("\n", stderr);
  PrintSummary(simulation.summary(), a.is_json);
  PrintNotes(simulation.summary());
  if (truth.is_open() && !truth.flush() && status.ok()) {
    return Unavailable("cannot write " + a.truth);
  }
  return status;
}

}  // namespace

int SimulateMain(int argc, const char* const* argv) {
  CLI::App app(kMeaning, "gemel simulate");
  Arguments arguments;
  AddOptions(app, arguments);
  if (const auto code = ReadArguments(app, argc, argv)) return *code;
  const Result<simulate::Pace> pace = PaceOf(arguments);
  if (!pace.ok()) return Failed(kUsage, pace.status());
  const Result<Plan> plan = MakePlan(arguments);
  if (!plan.ok()) return Failed(kFailed, plan.status());
  const Result<std::unique_ptr<simulate::Fleet>> fleet = MakeFleet(arguments, *plan);
  if (!fleet.ok()) return Failed(kFailed, fleet.status());
  const Status status = Run(arguments, **fleet, *plan, *pace);
  return status.ok() ? kDone : Failed(kFailed, status);
}

}  // namespace gemel::cli
