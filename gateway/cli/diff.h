#pragma once

#include "gateway/playback/diff.h"

namespace gemel::cli {

// gemel diff A B: compares what two offline replays have left.
int DiffMain(int count, const char* const* arguments);

// Prints a difference, as a table and sentences or as one JSON object.
void PrintDifference(const playback::Difference& difference, bool is_json);
inline constexpr size_t kExamplesDefault = 10;

}  // namespace gemel::cli
