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
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return Status::Ok();
  const std::filesystem::path above = std::filesystem::absolute(folder).parent_path();
  GEMEL_TRY(MakeFolder(above));
  std::filesystem::create_directory(folder, error);
  if (error)
    return Unavailable(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  return SyncFolder(above);
}

}  // namespace gemel::journal
