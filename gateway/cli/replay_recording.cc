#include "gateway/cli/replay_recording.h"

#include <algorithm>
#include <utility>

#include "gateway/playback/recording.h"

namespace gemel::cli {

Result<std::unique_ptr<LoadedWorld>> LoadRecorded(const std::filesystem::path& recording,
                                                  const std::string& configuration,
                                                  const std::map<std::string, std::string>& plugins,
                                                  uint32_t shards) {
  if (!configuration.empty()) return LoadWorld(configuration, plugins, shards);
  GEMEL_TRY(playback::CheckRecording(recording));
  // What the environment said to the gateway is in it.
  return LoadWorld(playback::RecordingPaths(recording).configuration, plugins, shards, {});
}

Result<std::unique_ptr<RecordingSource>> RecordingSource::Open(
    const std::filesystem::path& recording, const std::string& configuration) {
  auto source = std::make_unique<RecordingSource>();
  GEMEL_TRY_LET(source->world_, LoadRecorded(recording, configuration, {}, 1));
  GEMEL_TRY_LET(const auto base, playback::BaseOf(recording));
  std::optional<Lsn> after;
  if (base) after = base->checkpoint;
  const Compiled& compiled = *source->world_->compiled;
  GEMEL_TRY_LET(
      auto reader,
      playback::MessageReader::Open(
          playback::RecordingPaths(recording).journal, after,
          {.config = source->world_->config, .world = compiled.world, .router = compiled.router}));
  source->reader_.emplace(std::move(reader));
  return source;
}

Result<const simulate::ReplayRow*> RecordingSource::Next() {
  GEMEL_TRY_LET(auto message, reader_->Next());
  if (!message) return nullptr;
  row_ = {.at = message->at,
          .due = message->received,
          .topic = std::move(message->topic),
          .payload = std::move(message->payload)};
  return &row_;
}

int RecordingSource::qos() const {
  const auto& routes = world_->config.routes;
  const auto highest = std::ranges::max_element(routes, {}, &config::Route::qos);
  return highest == routes.end() ? 1 : highest->qos;
}

Result<simulate::ReplaySet> RecordingSource::ReadAll() {
  simulate::ReplaySet set;
  while (true) {
    GEMEL_TRY_LET(const simulate::ReplayRow* row, Next());
    if (row == nullptr) break;
    set.rows.push_back(*row);
  }
  set.skipped = skipped();
  set.rows_total = set.rows.size() + set.skipped;
  return set;
}

}  // namespace gemel::cli
