#include "gateway/cli/replay_offline.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/cli/arguments.h"
#include "gateway/cli/diff.h"
#include "gateway/cli/load_world.h"
#include "gateway/cli/replay_recording.h"
#include "gateway/cli/verbs.h"
#include "gateway/ingest/intake.h"
#include "gateway/playback/check.h"
#include "gateway/playback/diff.h"
#include "gateway/playback/fold.h"
#include "gateway/playback/recording.h"
#include "gateway/playback/run_files.h"
#include "gateway/playback/scratch.h"
#include "gateway/simulate/replay_map.h"
#include "gateway/simulate/replay_rows.h"

namespace gemel::cli {
namespace {

// What one run has come to.
struct Folded {
  uint64_t records = 0;
  uint64_t refused = 0;  // rows that intake did not take
  double seconds = 0;
  double cpu_seconds = 0;  // of all threads
  std::vector<std::string> twins;
  std::vector<playback::EffectLine> effects;
};

// By the clock, and of the processor by all threads of the process.
class Stopwatch {
 public:
  void Stop(Folded& run) const {
    run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    run.cpu_seconds = CpuSeconds() - cpu_start_;
  }

 private:
  static double CpuSeconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double cpu_start_ = CpuSeconds();
};

Result<Folded> FoldRecording(const playback::RecordingPaths& paths, const LoadedWorld& world,
                             uint32_t shards) {
  playback::Fold fold(world.compiled->world, shards);
  std::error_code error;
  const bool has_base = std::filesystem::exists(paths.base, error);
  const Stopwatch watch;
  GEMEL_TRY_LET(const store::Recovered recovered,
                fold.Run({.base = has_base ? paths.base : "", .journal = paths.journal}));
  Folded run{.records = recovered.records};
  watch.Stop(run);
  run.twins = fold.TwinLines();
  run.effects = fold.TakeEffects();
  return run;
}

// Rows go through intake as messages would; time is the highest event time so far.
Result<Folded> FoldRows(const OfflineOptions& options, LoadedWorld& world) {
  GEMEL_TRY_LET(const simulate::ReplayMap map, simulate::LoadReplayMap(options.map));
  GEMEL_TRY_LET(simulate::ReplaySet set, simulate::ReadReplaySet(options.file, map));
  simulate::OrderRows({.is_sorted = options.is_sorted}, set.rows);
  // There is no device that could answer.
  for (twin::Route& route : world.compiled->world.routes) route.is_answered = false;
  playback::Fold fold(world.compiled->world, options.shards);
  fold.Start();
  // Without times there is no clock that an event time could be ahead of.
  const Duration ahead_max =
      map.has_time() ? world.config.limits.event_time_ahead : Duration::max();
  ingest::Intake intake(
      world.compiled->world, std::move(world.compiled->plans), std::move(world.compiled->router),
      fold.sequencer(), nullptr, fold.collector(), fold.clock(),
      {.payload_bytes_max = world.config.limits.payload_max, .event_time_ahead_max = ahead_max});
  const Stopwatch watch;
  for (const simulate::ReplayRow& row : set.rows) {
    fold.AdvanceTo(row.at);
    intake.Handle({.topic = row.topic, .payload = row.payload, .qos = map.qos});
  }
  fold.Finish();
  Folded run{.records = set.rows.size()};
  watch.Stop(run);
  for (const Counter& refused : intake.stats().refused) run.refused += refused.value();
  run.twins = fold.TwinLines();
  run.effects = fold.TakeEffects();
  return run;
}

void Print(const Folded& run, const std::optional<playback::Checked>& checked,
           const OfflineOptions& options) {
  nlohmann::ordered_json json = {{"records", run.records},        {"twins", run.twins.size()},
                                 {"effects", run.effects.size()}, {"refused", run.refused},
                                 {"shards", options.shards},      {"seconds", run.seconds},
                                 {"cpu_seconds", run.cpu_seconds}};
  if (checked) json["check"] = {{"twins", checked->twins}, {"differing", checked->differing}};
  if (options.is_json) {
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("replay records={} twins={} effects={} refused={} seconds={:.3f} cpu_seconds={:.3f}\n",
             run.records, run.twins.size(), run.effects.size(), run.refused, run.seconds,
             run.cpu_seconds);
  if (!checked) return;
  fmt::print("check twins={} differing={}\n", checked->twins, checked->differing);
  for (const std::string& example : checked->examples) fmt::print("{}\n", example);
  if (checked->differing > 0) {
    fmt::print(
        "The gateway had other twins: a model that looks at anything but its arguments, or another "
        "one than was recorded.\n");
  }
}

Result<int> RunRows(const OfflineOptions& options) {
  GEMEL_TRY_LET(const auto world,
                LoadWorld(options.configuration, options.plugins, options.shards));
  GEMEL_TRY_LET(const Folded run, FoldRows(options, *world));
  if (!options.out.empty()) GEMEL_TRY(playback::WriteRun(options.out, run.twins, run.effects));
  Print(run, std::nullopt, options);
  return kDone;
}

Result<int> RunRecording(const OfflineOptions& options) {
  const playback::RecordingPaths paths(options.file);
  GEMEL_TRY_LET(const auto world,
                LoadRecorded(options.file, options.configuration, {}, options.shards));
  GEMEL_TRY_LET(const Folded run, FoldRecording(paths, *world, options.shards));
  if (!options.out.empty()) GEMEL_TRY(playback::WriteRun(options.out, run.twins, run.effects));
  std::optional<playback::Checked> checked;
  std::error_code error;
  if (options.is_checked && std::filesystem::exists(paths.end, error)) {
    const bool has_base = std::filesystem::exists(paths.base, error);
    GEMEL_TRY_LET(checked,
                  playback::CheckAgainst(paths.end, has_base ? paths.base : "", paths.journal,
                                         world->compiled->world, options.shards, kExamplesDefault));
  }
  Print(run, checked, options);
  return checked && checked->differing > 0 ? kNo : kDone;
}

// With what was recorded, and with what is to be tried.
Result<int> RunBacktest(const OfflineOptions& options) {
  const playback::RecordingPaths paths(options.file);
  GEMEL_TRY_LET(const playback::Scratch scratch, playback::Scratch::Make());
  const std::filesystem::path out =
      options.out.empty() ? scratch.path() : std::filesystem::path(options.out);
  for (const bool is_tried : {false, true}) {
    GEMEL_TRY_LET(const auto world,
                  LoadRecorded(options.file, options.configuration,
                               is_tried ? options.plugins : std::map<std::string, std::string>(),
                               options.shards));
    GEMEL_TRY_LET(const Folded run, FoldRecording(paths, *world, options.shards));
    GEMEL_TRY(playback::WriteRun(out / (is_tried ? "tried" : "recorded"), run.twins, run.effects));
  }
  GEMEL_TRY_LET(const playback::Difference difference,
                playback::Compare(out / "recorded", out / "tried", kExamplesDefault));
  PrintDifference(difference, options.is_json);
  return difference.are_same() ? kDone : kNo;
}

}  // namespace

int ReplayOffline(const OfflineOptions& options) {
  const bool is_recording = playback::IsRecording(options.file);
  if (!is_recording && options.map.empty()) {
    return Fail(kUsage, fmt::format("replay: {}: no recording; rows of a file need --map and "
                                    "--config",
                                    options.file)
                            .c_str());
  }
  if (!is_recording && options.configuration.empty())
    return Fail(kUsage, "replay: rows of a file need --config: the gateway's configuration");
  const Result<int> code = !is_recording             ? RunRows(options)
                           : options.plugins.empty() ? RunRecording(options)
                                                     : RunBacktest(options);
  if (!code.ok()) return Fail(kFailed, ("replay: " + code.status().message()).c_str());
  return *code;
}

}  // namespace gemel::cli
