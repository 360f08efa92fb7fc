#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "gateway/base/status.h"

namespace gemel::history {

// Which commands are wanted; what is empty holds back none.
struct CommandQuery {
  std::string model;
  std::string twin;                // of that model
  std::string id;                  // of a command
  std::string status;              // as it is now
  std::optional<int64_t> from_ms;  // of the last change, since 1970
  size_t limit = 1'000;
  size_t bytes_max = size_t{64} << 20;  // of the answer; one command it holds in any case
};

// JSON array of commands as they are now (schema/command_change.schema.json), the last that changed
// first. As ReadAlertChanges.
Result<std::string> ReadCommands(const std::filesystem::path& path, const CommandQuery& query);

}  // namespace gemel::history
