#include "gateway/cli/replay_scores.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/quote.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/load_world.h"
#include "gateway/cli/verbs.h"
#include "gateway/ingest/intake.h"
#include "gateway/model/state.h"
#include "gateway/playback/fold.h"
#include "gateway/playback/recording.h"
#include "gateway/simulate/replay_map.h"
#include "gateway/simulate/replay_rows.h"

namespace gemel::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScoreField = "anomaly_score";

struct ScoredFile {
  fs::path from;
  fs::path to;
};

struct Totals {
  uint64_t rows = 0;
  uint64_t unscored = 0;  // that were skipped or refused, or whose twin has no score yet
  double seconds = 0;     // of folding alone
};

Result<fs::path> Canonical(const std::string& path, const char* what) {
  std::error_code error;
  fs::path canonical = fs::canonical(path, error);
  if (error) return NotFound(fmt::format("{}{}: {}", what, path, error.message()));
  return canonical;
}

// What goes where. Nothing is written over what is read.
Result<std::vector<ScoredFile>> ScoredFiles(const ScoresOptions& options) {
  GEMEL_TRY_LET(const fs::path root, Canonical(options.root, "--root "));
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(options.folder, error);
  if (error) return Unavailable(fmt::format("--scores {}: {}", options.folder, error.message()));
  if (folder == root) {
    return Invalid(fmt::format("--scores {}: the folder of --root, whose files it would overwrite",
                               options.folder));
  }
  std::vector<ScoredFile> files;
  for (const std::string& file : options.files) {
    GEMEL_TRY_LET(fs::path from, Canonical(file, ""));
    if (playback::IsRecording(from))
      return Invalid(fmt::format("{}: a recording; --scores is for rows", file));
    const fs::path below = from.lexically_relative(root);
    if (below.empty() || *below.begin() == ".." || below == ".")
      return Invalid(fmt::format("{}: not below --root {}", file, options.root));
    files.push_back({.from = std::move(from), .to = folder / below});
  }
  return files;
}

// The score that the twin has; nothing before its first. Invalid if its model has none.
Result<std::optional<double>> ScoreOf(const twin::World& world,
                                      const playback::Fold::Changed& changed) {
  const model::Model& model = *world.models[changed.model].model;
  const auto index = model.FieldIndex(kScoreField);
  if (!index || model.fields()[*index].type != GEMEL_DOUBLE) {
    return Invalid(
        fmt::format("model {} has no field {} of type double, which --scores writes: see "
                    "models/anomaly",
                    model.name(), kScoreField));
  }
  const gemel_value value = model::ReadValue(model.fields()[*index], changed.twin->state());
  if (value.type == GEMEL_NULL || !std::isfinite(value.as.number)) return std::optional<double>();
  return std::optional(value.as.number);
}

// By the rows' numbers.
Result<std::vector<std::optional<double>>> FoldScores(const simulate::ReplaySet& set, int qos,
                                                      LoadedWorld& world) {
  std::vector<std::optional<double>> scores(set.rows_total);
  playback::Fold fold(world.compiled->world, 1);
  fold.Start();
  ingest::Intake intake(world.compiled->world, std::move(world.compiled->plans),
                        std::move(world.compiled->router), fold.sequencer(), nullptr,
                        fold.collector(), fold.clock(),
                        {.payload_bytes_max = world.config.limits.payload_max,
                         .event_time_ahead_max = world.config.limits.event_time_ahead});
  for (const simulate::ReplayRow& row : set.rows) {
    fold.AdvanceTo(row.at);
    intake.Handle({.topic = row.topic, .payload = row.payload, .qos = qos});
    const auto changed = fold.ApplyLast();
    if (!changed) continue;
    GEMEL_TRY_LET(scores[row.number], ScoreOf(world.compiled->world, *changed));
  }
  fold.Finish();
  return scores;
}

void AppendCell(std::string_view text, std::string& out) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  out += '"';
}

Status WriteScores(const fs::path& path, const std::vector<std::string>& times,
                   const std::vector<std::optional<double>>& scores) {
  std::string text = "timestamp,anomaly_score\n";
  for (size_t i = 0; i < scores.size(); ++i) {
    AppendCell(times[i], text);
    fmt::format_to(std::back_inserter(text), ",{}\n", scores[i].value_or(0));
  }
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return Unavailable(fmt::format("{}: can't be written", path.string()));
  return Status::Ok();
}

Status Score(const ScoredFile& file, const simulate::ReplayMap& map, const ScoresOptions& options,
             Totals& totals) {
  GEMEL_TRY_LET(const simulate::ReplaySet set,
                simulate::ReadReplaySet(file.from, map, simulate::TimeTexts::kKept));
  // A file's twins, symbols and tables are none of the next one's.
  GEMEL_TRY_LET(const auto world, LoadWorld(options.configuration, options.plugins, 1));
  const auto start = std::chrono::steady_clock::now();
  const auto scores = FoldScores(set, map.qos, *world);
  if (!scores.ok()) {
    return {scores.status().code(),
            fmt::format("{}: {}", file.from.string(), scores.status().message())};
  }
  totals.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  uint64_t unscored = 0;
  for (const auto& score : *scores) unscored += score ? 0 : 1;
  if (unscored == scores->size() && unscored > 0) {
    return Invalid(
        fmt::format("{}: no row has a score: {} has no route for {}, or refuses its "
                    "payload",
                    file.from.string(), options.configuration,
                    set.rows.empty() ? "it" : Quote(set.rows.front().topic)));
  }
  totals.rows += scores->size();
  totals.unscored += unscored;
  return WriteScores(file.to, set.time_texts, *scores);
}

Result<Totals> ScoreAll(const ScoresOptions& options) {
  GEMEL_TRY_LET(const simulate::ReplayMap map, simulate::LoadReplayMap(options.map));
  if (!map.time) return Invalid(fmt::format("{}: --scores needs \"time\" in the map", options.map));
  GEMEL_TRY_LET(const std::vector<ScoredFile> files, ScoredFiles(options));
  Totals totals;
  for (const ScoredFile& file : files) GEMEL_TRY(Score(file, map, options, totals));
  return totals;
}

}  // namespace

int ReplayScores(const ScoresOptions& options) {
  const auto totals = ScoreAll(options);
  if (!totals.ok()) return Fail(kFailed, ("replay: " + totals.status().message()).c_str());
  if (options.is_json) {
    const nlohmann::ordered_json json = {{"files", options.files.size()},
                                         {"rows", totals->rows},
                                         {"unscored", totals->unscored},
                                         {"seconds", totals->seconds}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("scores files={} rows={} unscored={} seconds={:.3f}\n", options.files.size(),
               totals->rows, totals->unscored, totals->seconds);
  }
  std::fflush(stdout);
  return kDone;
}

}  // namespace gemel::cli
