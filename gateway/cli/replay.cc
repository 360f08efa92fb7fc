#include "gateway/cli/replay.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/clock.h"
#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/replay_offline.h"
#include "gateway/cli/replay_recording.h"
#include "gateway/cli/replay_scores.h"
#include "gateway/cli/verbs.h"
#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/uri.h"
#include "gateway/playback/recording.h"
#include "gateway/simulate/replay.h"

namespace gemel::cli {
namespace {

constexpr const char* kReplayFooter =
    "FILE is CSV or JSON lines, plain or gzip. The map says how a row becomes a message, like\n"
    "conf/replay/*.json. Rows go as filed unless --sort or --shuffle orders them by event time;\n"
    "--speed 60x lets a minute of event time pass in a second.\n"
    "\n"
    "FILE may be a recording of `gemel record`, which needs no map: its messages go again as the\n"
    "gateway had them, from behind its base, for a gateway that has the same routes. With --speed\n"
    "they come as they were received, unless --sort or --shuffle orders them by event time.\n"
    "\n"
    "With --offline there is no broker: FILE is a recording of `gemel record`, or rows with --map\n"
    "and --config, and its messages are applied as fast as it goes, in the time that they were\n"
    "recorded with. A recording is held against the twins that the gateway had; with --model it "
    "is\n"
    "run a second time and the difference is shown. Exit code 1 if there is one.\n"
    "\n"
    "With --scores DIR as well, each FILE is applied from a fresh state, and DIR gets a file of "
    "the\n"
    "same path below --root with the columns timestamp and anomaly_score: what the row's twin has "
    "in\n"
    "its field of that name after the row, 0 if there is none.\n"
    "\n"
    "Examples:\n"
    "  gemel replay positions.csv.gz --map conf/replay/capmetro_bus.json "
    "--broker mqtt://127.0.0.1 --sort\n"
    "  gemel replay friday --offline --model truck=./truck.so\n"
    "  gemel replay --offline --config conf/replay/nab.gateway.json --map conf/replay/nab.json "
    "nab/data/*/*.csv --root nab/data --scores scores";

struct Arguments {
  std::vector<std::string> files;
  std::string file, map, broker;  // `file` is the only one
  std::string root, scores;
  std::string speed = "max";
  std::string shuffle;
  std::string client_id;
  uint64_t seed = 1;
  bool is_sorted = false;
  bool is_json = false;
  bool is_offline = false;
  OfflineOptions offline;
  std::vector<std::string> models;  // NAME=FILE
};

void AddOptions(CLI::App& app, Arguments& a) {
  app.footer(kReplayFooter);
  app.add_option("FILE", a.files, "Recorded rows, or a recording; several with --scores")
      ->required();
  app.add_option("--map", a.map, "Replay map");
  app.add_option("--broker", a.broker, "mqtt://host:port or mqtts://host:port");
  app.add_option("--speed", a.speed,
                 "How fast recorded time goes by, like 60x, or max: as fast as possible")
      ->capture_default_str();
  app.add_flag("--sort", a.is_sorted, "By event time");
  app.add_option("--shuffle", a.shuffle,
                 "Each row late by a random delay of at most so much event time, like 120s");
  app.add_option("--seed", a.seed, "The same seed shuffles the same way")->capture_default_str();
  app.add_option("--client-id", a.client_id, "MQTT client id, to which -pub is added");
  app.add_flag("--json", a.is_json, "The summary as a JSON object");
  app.add_flag("--offline", a.is_offline, "Without a broker");
  app.add_option("--config", a.offline.configuration,
                 "The gateway's configuration, instead of a recording's own");
  app.add_option("--model", a.models,
                 "Offline: NAME=FILE, a plug-in to try instead of the one that was recorded");
  app.add_option("--shards", a.offline.shards, "Offline: threads; the result is the same")
      ->check(CLI::Range(1u, kShardsMax))
      ->capture_default_str();
  app.add_option("--out", a.offline.out, "Offline: a folder for twins and effects, for gemel diff");
  app.add_option("--scores", a.scores, "Offline: a folder for each row's anomaly_score");
  app.add_option("--root", a.root, "Of --scores: the folder that FILEs lie in; of one, its own");
  app.add_flag("!--no-check", a.offline.is_checked,
               "Offline: don't hold a recording against the twins that the gateway had");
}

// Nothing for "max".
Result<std::optional<double>> ParseSpeed(std::string_view text) {
  if (text == "max") return std::optional<double>();
  std::string_view number = text;
  if (number.ends_with('x')) number.remove_suffix(1);
  double speed = 0;
  const char* const end = number.data() + number.size();
  const auto [at, error] = std::from_chars(number.data(), end, speed);
  if (error == std::errc() && at == end && speed > 0 && speed <= 1e9) return std::optional(speed);
  return Invalid(
      fmt::format("--speed {}: allowed: a number above 0, like 60x, or max", Quote(text)));
}

// NAME=FILE of --model.
Status ReadModels(Arguments& a) {
  for (const std::string& model : a.models) {
    const size_t equals = model.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == model.size()) {
      return Invalid(
          fmt::format("--model {}: allowed: NAME=FILE, like truck=./truck.so", Quote(model)));
    }
    a.offline.plugins[model.substr(0, equals)] = model.substr(equals + 1);
  }
  return Status::Ok();
}

// Which options go with --scores, and that several files are for it alone.
Status CheckScores(Arguments& a) {
  if (a.scores.empty()) {
    if (a.files.size() > 1)
      return Invalid(fmt::format("{} FILEs: only --scores takes several", a.files.size()));
    if (!a.root.empty()) return Invalid("--root is for --scores");
    return Status::Ok();
  }
  if (!a.is_offline) return Invalid("--scores wants --offline");
  if (a.map.empty() || a.offline.configuration.empty())
    return Invalid("--scores is for rows: it wants --map and --config");
  if (a.is_sorted || !a.offline.out.empty())
    return Invalid("--scores takes rows as filed and writes nothing else: no --sort, no --out");
  if (a.root.empty()) {
    if (a.files.size() > 1)
      return Invalid("--root is needed: the folder that FILEs lie in, to name scores alike");
    a.root = std::filesystem::path(a.file).parent_path().string();
    if (a.root.empty()) a.root = ".";
  }
  return Status::Ok();
}

// Which options go together. Completes those of a replay without a broker.
Status CheckUsage(Arguments& a) {
  a.file = a.files.front();
  GEMEL_TRY(CheckScores(a));
  if (!a.is_offline) {
    const bool is_recording = playback::IsRecording(a.file);
    if (is_recording && !a.map.empty())
      return Invalid("--map is for rows, and FILE is a recording");
    if (!is_recording && a.map.empty())
      return Invalid("--map is needed: how a row becomes a message");
    if (a.broker.empty()) return Invalid("--broker is needed, or --offline");
    if (!is_recording && !a.offline.configuration.empty())
      return Invalid("--config is for a recording or --offline");
    if (!a.models.empty() || !a.offline.out.empty() || !a.offline.is_checked)
      return Invalid("--model, --out and --no-check want --offline");
    return Status::Ok();
  }
  if (!a.broker.empty()) return Invalid("--broker and --offline exclude each other");
  if (a.speed != "max" || !a.shuffle.empty())
    return Invalid("--speed and --shuffle are for a broker: --offline goes as fast as it can");
  a.offline.file = a.file;
  a.offline.map = a.map;
  a.offline.is_sorted = a.is_sorted;
  a.offline.is_json = a.is_json;
  return ReadModels(a);
}

struct Plan {
  mqtt::Connection connection;
  simulate::ReplayOrder order;
  std::optional<double> speed;
};

// What is wrong here is wrong usage.
Result<Plan> MakePlan(const Arguments& a) {
  Plan plan;
  const auto uri = mqtt::ParseUri(a.broker);
  if (!uri.ok()) return Invalid("--broker: " + uri.status().message());
  plan.connection.uri = a.broker;
  // Of its own, as several replays may run at a time.
  plan.connection.client_id = a.client_id.empty()
                                  ? fmt::format("gemel-replay-{:08x}", std::random_device{}())
                                  : a.client_id;
  GEMEL_TRY_LET(plan.speed, ParseSpeed(a.speed));
  plan.order = {.is_sorted = a.is_sorted, .seed = a.seed};
  if (!a.shuffle.empty()) {
    const auto window = ParseDuration(a.shuffle);
    if (!window.ok()) return Invalid("--shuffle: " + window.status().message());
    plan.order.shuffle = *window;
  }
  return plan;
}

// A bar on stderr that is drawn over itself.
class ProgressBar {
 public:
  explicit ProgressBar(const Clock& clock) : clock_(clock), start_(clock.Steady()) {}
  ~ProgressBar() {
    if (is_drawn_) std::fputs("\n", stderr);
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Show(const simulate::ReplayProgress& progress) {
    const std::chrono::nanoseconds now = clock_.Steady();
    const bool is_done = progress.acknowledged == progress.rows;
    if (now - drawn_at_ < kEvery && !is_done) return;
    drawn_at_ = now;
    is_drawn_ = true;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const auto count = static_cast<double>(progress.acknowledged);
    const double rate = seconds > 0 ? count / seconds : 0.0;
    if (progress.rows == 0) {
      fmt::print(stderr, "\r{}  {:.0f}/s ", progress.acknowledged, rate);
      return;
    }
    const size_t filled = kCells * progress.acknowledged / progress.rows;
    fmt::print(stderr, "\r[{:#<{}}{:.<{}}] {}/{}  {:.0f}/s ", "", filled, "", kCells - filled,
               progress.acknowledged, progress.rows, rate);
  }

 private:
  static constexpr size_t kCells = 40;
  static constexpr std::chrono::milliseconds kEvery{100};
  const Clock& clock_;
  const std::chrono::nanoseconds start_;
  std::chrono::nanoseconds drawn_at_{};
  bool is_drawn_ = false;
};

Result<simulate::ReplaySummary> RunRecording(const Arguments& a, const Plan& plan,
                                             const simulate::ReplayWorld& world) {
  GEMEL_TRY_LET(const auto source, RecordingSource::Open(a.file, a.offline.configuration));
  const simulate::ReplayOptions options{.qos = source->qos(), .speed = plan.speed};
  if (!plan.order.is_sorted && !plan.order.shuffle)
    return simulate::Replay(*source, options, world);
  GEMEL_TRY_LET(simulate::ReplaySet set, source->ReadAll());
  simulate::OrderRows(plan.order, set.rows);
  return simulate::Replay(set, options, world);
}

Result<simulate::ReplaySummary> RunRows(const Arguments& a, const Plan& plan,
                                        const simulate::ReplayWorld& world) {
  GEMEL_TRY_LET(const simulate::ReplayMap map, simulate::LoadReplayMap(a.map));
  const bool needs_time = plan.order.is_sorted || plan.order.shuffle || plan.speed;
  if (needs_time && !map.has_time()) {
    return Invalid(fmt::format(
        "{}: --sort, --shuffle and --speed need \"time\" or \"time_step\" in the map", a.map));
  }
  GEMEL_TRY_LET(simulate::ReplaySet set, simulate::ReadReplaySet(a.file, map));
  simulate::OrderRows(plan.order, set.rows);
  GEMEL_TRY_LET(simulate::ReplaySummary summary,
                simulate::Replay(set, {.qos = map.qos, .speed = plan.speed}, world));
  if (!map.has_time()) summary.first = summary.last = kNoTime;
  return summary;
}

Result<simulate::ReplaySummary> Run(const Arguments& a, const Plan& plan) {
  const auto publisher = mqtt::MakePahoPublisher(plan.connection, {});
  const SystemClock clock;
  ProgressBar bar(clock);
  simulate::ReplayWorld world{
      .clock = clock, .publisher = *publisher, .sleep = [](std::chrono::nanoseconds wait) {
        std::this_thread::sleep_for(wait);
      }};
  if (isatty(STDERR_FILENO) != 0)
    world.on_progress = [&bar](const simulate::ReplayProgress& p) { bar.Show(p); };
  return playback::IsRecording(a.file) ? RunRecording(a, plan, world) : RunRows(a, plan, world);
}

void Print(const simulate::ReplaySummary& s, bool is_json) {
  const auto milliseconds = [](Time time) {
    return time == kNoTime ? nlohmann::json()
                           : nlohmann::json(time.time_since_epoch() / 1'000 / Duration(1));
  };
  if (is_json) {
    const nlohmann::ordered_json summary = {{"rows", s.rows},
                                            {"sent", s.sent},
                                            {"acknowledged", s.acknowledged},
                                            {"skipped", s.skipped},
                                            {"sent_again", s.sent_again},
                                            {"seconds", s.seconds},
                                            {"first_ms", milliseconds(s.first)},
                                            {"last_ms", milliseconds(s.last)}};
    fmt::print("{}\n", summary.dump());
  } else {
    fmt::print("replay sent={} acknowledged={} skipped={} seconds={:.1f}\n", s.sent, s.acknowledged,
               s.skipped, s.seconds);
  }
  std::fflush(stdout);
}

}  // namespace

int ReplayMain(int argc, const char* const* argv) {
  CLI::App app("Publishes recorded messages and waits until the broker has all of them.",
               "gemel replay");
  Arguments arguments;
  AddOptions(app, arguments);
  if (const auto code = ReadArguments(app, argc, argv)) return *code;
  const auto fail = [](int code, const Status& status) {
    return Fail(code, ("replay: " + status.message()).c_str());
  };
  if (const Status status = CheckUsage(arguments); !status.ok()) return fail(kUsage, status);
  if (!arguments.scores.empty()) {
    return ReplayScores({.files = arguments.files,
                         .map = arguments.map,
                         .configuration = arguments.offline.configuration,
                         .plugins = arguments.offline.plugins,
                         .root = arguments.root,
                         .folder = arguments.scores,
                         .is_json = arguments.is_json});
  }
  if (arguments.is_offline) return ReplayOffline(arguments.offline);
  const auto plan = MakePlan(arguments);
  if (!plan.ok()) return fail(kUsage, plan.status());
  // A broker that goes away is a failed write, not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  const auto summary = Run(arguments, *plan);
  if (!summary.ok()) return fail(kFailed, summary.status());
  Print(*summary, arguments.is_json);
  return kDone;
}

}  // namespace gemel::cli
