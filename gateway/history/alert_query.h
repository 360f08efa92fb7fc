#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "gateway/base/status.h"

namespace gemel::history {

// Which changes of alerts are wanted; what is empty holds back none.
struct AlertQuery {
  std::string model;
  std::string twin;                // of that model
  std::string id;                  // of an alert
  std::optional<int64_t> from_ms;  // since 1970, and later
  size_t limit = 1'000;
  size_t bytes_max = size_t{64} << 20;  // of the answer; one change it holds in any case
};

// JSON array of the newest ones, newest first: an alert as it was then
// (schema/alert.schema.json), with "change" in front. Opens the file for itself, beside whoever
// writes it, and waits for the disk. NotFound if there is no such file.
Result<std::string> ReadAlertChanges(const std::filesystem::path& path, const AlertQuery& query);

}  // namespace gemel::history
