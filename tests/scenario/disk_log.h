#pragma once

#include <cstdint>

// What disk_log.cc writes of a program's disk, and power_cut.cc reads: entries one behind the other
// in the order in which things happened, each followed by its path, its second path and its bytes.
namespace gemel::scenario {

enum class DiskOp : uint8_t {
  kCreate,      // path: a file that was not there
  kMakeFolder,  // path
  kWrite,       // offset, bytes
  kReserve,     // the file has at least offset bytes from now on, zeros where nothing was written
  kTruncate,    // the file has offset bytes from now on
  kRename,      // path, second path
  kRemove,      // path
  kSyncBegin,   // of a file, or of the folder `path`
  kSyncEnd
};

struct DiskEntry {
  DiskOp op = DiskOp::kWrite;
  uint8_t reserved[3] = {};
  uint32_t thread = 0;      // by which the end of a sync finds its beginning
  uint32_t path_bytes = 0;  // relative to the root; none where a file is meant
  uint32_t second_path_bytes = 0;
  uint32_t bytes = 0;
  uint32_t reserved_too = 0;
  uint64_t file = 0;  // its inode, which is used again once the file is gone
  uint64_t offset = 0;
  int64_t time_ns = 0;  // steady, when it was done
};
static_assert(sizeof(DiskEntry) == 48);

}  // namespace gemel::scenario
