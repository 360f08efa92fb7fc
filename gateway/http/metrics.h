#pragma once

#include <string>

#include "gateway/http/api.h"

namespace gemel::http {

// Every counter of the gateway in Prometheus' text format. No device is named: labels come from
// the configuration and are few.
std::string MetricsText(const Sources& sources);

}  // namespace gemel::http
