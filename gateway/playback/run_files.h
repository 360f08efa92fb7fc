#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/playback/collector.h"

namespace gemel::playback {

// What a run has left, in a folder: two runs are the same exactly if these files are.
inline constexpr const char* kTwinsFile = "twins.jsonl";      // lines of AppendTwinLine
inline constexpr const char* kEffectsFile = "effects.jsonl";  // lines of EffectLine, by id

// Makes the folder, or writes over what a run has left there before. Unavailable or Full if the
// disk refuses.
Status WriteRun(const std::filesystem::path& folder, std::span<const std::string> twins,
                std::span<const EffectLine> effects);

}  // namespace gemel::playback
