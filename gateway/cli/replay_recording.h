#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gateway/base/status.h"
#include "gateway/cli/load_world.h"
#include "gateway/playback/messages.h"
#include "gateway/simulate/replay.h"

namespace gemel::cli {

// What a recording was made with, or `configuration` if that is not empty; `plugins` and `shards`
// as LoadWorld. Fails as playback::CheckRecording and LoadWorld.
Result<std::unique_ptr<LoadedWorld>> LoadRecorded(const std::filesystem::path& recording,
                                                  const std::string& configuration,
                                                  const std::map<std::string, std::string>& plugins,
                                                  uint32_t shards);

// The messages of a recording, when the gateway had them.
class RecordingSource final : public simulate::ReplaySource {
 public:
  // Fails as LoadRecorded and playback::MessageReader::Open.
  static Result<std::unique_ptr<RecordingSource>> Open(const std::filesystem::path& recording,
                                                       const std::string& configuration);
  Result<const simulate::ReplayRow*> Next() override;
  uint64_t skipped() const override { return reader_->left_out(); }
  // The highest of its routes, as the broker had them.
  int qos() const;
  // All that is left, to be ordered.
  Result<simulate::ReplaySet> ReadAll();

 private:
  std::unique_ptr<LoadedWorld> world_;
  std::optional<playback::MessageReader> reader_;
  simulate::ReplayRow row_;
};

}  // namespace gemel::cli
