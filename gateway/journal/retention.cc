#include "gateway/journal/retention.h"

#include <unistd.h>

#include <vector>

#include "gateway/journal/descriptor.h"
#include "gateway/journal/folder.h"
#include "gateway/journal/segment.h"

namespace gemel::journal {
namespace {

uint64_t SizeOf(const std::filesystem::path& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace

Result<Kept> DropSegments(const std::filesystem::path& folder, Lsn checkpoint,
                          const Retention& retention, Time now) {
  GEMEL_TRY_LET(const std::vector<std::filesystem::path> paths, FindSegments(folder));
  Kept kept;
  for (const std::filesystem::path& path : paths) kept.bytes += SizeOf(path);
  for (size_t i = 0; i + 1 < paths.size(); ++i) {
    // A segment's records all stand before the first one of the next.
    if (*LsnOfName(paths[i + 1].filename().string()) > checkpoint) break;
    GEMEL_TRY_LET(const SegmentHead next, ReadSegmentHead(paths[i + 1]));
    const bool is_old = next.created < now - retention.time;
    if (!is_old && kept.bytes <= retention.bytes) break;
    const uint64_t size = SizeOf(paths[i]);
    if (::unlink(paths[i].c_str()) != 0) return Failed(paths[i], "cannot be removed");
    // Or a loss of power might take a later one and leave this: a journal with a hole.
    GEMEL_TRY(SyncFolder(folder));
    kept.bytes -= size;
    ++kept.dropped;
  }
  return kept;
}

}  // namespace gemel::journal
