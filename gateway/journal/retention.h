#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/sdk/types.hpp"

namespace gemel::journal {

// How much of a journal is kept beyond what a start needs, for playback and for explanations.
struct Retention {
  std::chrono::milliseconds time{std::chrono::hours(1)};
  uint64_t bytes = 1'024 * 1'024 * 1'024;
};

struct Kept {
  uint64_t bytes = 0;  // of all segments that are left, with what is reserved for the present one
  uint64_t dropped = 0;
};

// Removes the oldest segments of which every record is at or below the checkpoint, as far as they
// are older than the retention's time, or all together larger than its size. Unavailable if the
// disk fails.
Result<Kept> DropSegments(const std::filesystem::path& folder, Lsn checkpoint,
                          const Retention& retention, Time now);

}  // namespace gemel::journal
