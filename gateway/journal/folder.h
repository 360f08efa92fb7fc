#pragma once

#include <filesystem>

#include "gateway/base/status.h"

namespace gemel::journal {

// Returns when the names in a folder survive a loss of power: to sync a file does not promise that
// of its name. Unavailable if the disk fails.
Status SyncFolder(const std::filesystem::path& folder);

// Makes a folder, and those above it, that survive a loss of power. One that is there is fine.
Status MakeFolder(const std::filesystem::path& folder);

}  // namespace gemel::journal
