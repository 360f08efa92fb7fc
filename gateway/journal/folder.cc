#include "gateway/journal/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "gateway/journal/descriptor.h"

namespace gemel::journal {

Status SyncFolder(const std::filesystem::path& folder) {
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number < 0 || ::fsync(directory.number) != 0)
    return Failed(folder, "cannot be synced");
  return Status::Ok();
}

Status MakeFolder(const std::filesystem::path& folder) {
  if (folder.empty()) return Status::Ok();
  std::filesystem::path made;
  for (const std::filesystem::path& name : std::filesystem::absolute(folder)) {
    made /= name;
    std::error_code error;
    if (std::filesystem::is_directory(made, error)) continue;
    std::filesystem::create_directory(made, error);
    if (error)
      return Unavailable(fmt::format("{}: cannot be made: {}: {}", folder.string(), made.string(),
                                     error.message()));
    GEMEL_TRY(SyncFolder(made.parent_path()));
  }
  return Status::Ok();
}

}  // namespace gemel::journal
