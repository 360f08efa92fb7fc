#pragma once

#include <cstdint>
#include <string>

#include "gateway/config/config.h"

namespace gemel::cli {

// `gemel run [CONFIGURATION]`: the gateway in the foreground until SIGTERM or SIGINT. Prints the
// line `ready http=… mqtt=… twins=…` on stdout once everything accepts. Exit codes: 0 stopped
// cleanly, 2 usage, 3 could not start or left effects unsent; then one line on stderr says why.
int RunMain(int count, const char* const* arguments);

// The line itself, with its end. IPv6 addresses stand in brackets.
// REQUIRES: mqtt::ParseUri(config.mqtt.uri).ok()
std::string ReadyLine(const config::Config& config, uint16_t http_port, uint64_t twins);

}  // namespace gemel::cli
