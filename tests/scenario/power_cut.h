#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/disk_log.h"

namespace gemel::scenario {

// What a program has done to its disk, as disk_log.cc has written it down, and what a loss of power
// would have left of it.
//
// Whatever a sync has returned for is there. Of each file that was written since, either all,
// nothing, what was written up to some moment, or a mixture is: then every page, and now and then
// every sector of 512 bytes, is as it was at a moment of its own, and so is the file's size. A file
// that was cut short is so as a whole or not at all, and what was written behind the cut is not
// there before it. A folder that was not synced has all, none, the first or any of the names that
// were made, changed and removed since: to sync a file does not sync its name.
class DiskHistory {
 public:
  struct Event {
    DiskEntry entry;
    std::string_view path;
    std::string_view second_path;
    std::string_view bytes;
  };

  // REQUIRES: the file is a log
  explicit DiskHistory(const std::filesystem::path& log);
  DiskHistory(const DiskHistory&) = delete;
  DiskHistory& operator=(const DiskHistory&) = delete;

  std::span<const Event> events() const { return events_; }
  // Lays out in `folder` what power that is lost before event `cut` may leave; the same seed leaves
  // the same.
  void Restore(size_t cut, uint64_t seed, const std::filesystem::path& folder) const;

 private:
  std::string text_;
  std::vector<Event> events_;
};

}  // namespace gemel::scenario
