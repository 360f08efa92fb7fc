#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/twin/world.h"

namespace gemel::playback {

// What holding a fold against a snapshot has shown.
struct Checked {
  uint64_t twins = 0;  // in the snapshot
  uint64_t differing = 0;
  std::vector<std::string> examples;  // a sentence each
};

// Folds base and journal up to where a snapshot of the gateway had seen each twin, and compares all
// that the twins are with it. A model that looks at anything but its arguments, like the clock on
// the wall, shows here. Fails as Fold::Run does.
Result<Checked> CheckAgainst(const std::filesystem::path& snapshot,
                             const std::filesystem::path& base,
                             const std::filesystem::path& journal, const twin::World& world,
                             uint32_t shards, size_t examples_max);

}  // namespace gemel::playback
