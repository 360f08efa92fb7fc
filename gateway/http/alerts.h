#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/effects/payload.h"
#include "gateway/http/api.h"

namespace gemel::http {

// Which alerts a list holds; what is empty holds back none.
struct AlertFilter {
  std::optional<uint16_t> model;
  std::optional<uint32_t> severity;  // a gemel_severity
  std::optional<effects::AlertStatus> status;
};

// Nothing if it is none that a list can hold.
std::optional<effects::AlertStatus> ParseAlertStatus(std::string_view name);

// JSON array of the alerts that are active, or over and not acknowledged: the worst first, of one
// severity the newest, at most `limit` and kListStateBytesMax. Waits for shards.
std::string ListAlerts(const Sources& sources, const AlertFilter& filter, size_t limit);

}  // namespace gemel::http
