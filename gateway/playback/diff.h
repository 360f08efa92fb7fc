#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::playback {

// How many of something two runs have.
struct Compared {
  uint64_t same = 0;
  uint64_t changed = 0;
  uint64_t only_first = 0;
  uint64_t only_second = 0;
  bool are_same() const { return changed + only_first + only_second == 0; }
};

struct Difference {
  Compared twins;
  Compared commands;
  Compared alerts;
  Compared dead_letters;
  // A sentence each for the first differences: of effects, by time, then of twins, by id.
  std::vector<std::string> examples;
  bool are_same() const {
    return twins.are_same() && commands.are_same() && alerts.are_same() && dead_letters.are_same();
  }
};

// Compares what two runs have left (see run_files.h), whatever the numbers of their records: twins
// by model and id, their fields, and alerts; effects by twin, kind, code or name, and occurrence.
// LSNs, ids and times that say when something was applied are left out, event times are not.
// NotFound if there is no such run, Damaged, naming the line, if a file is none.
Result<Difference> Compare(const std::filesystem::path& first, const std::filesystem::path& second,
                           size_t examples_max);

}  // namespace gemel::playback
