#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

namespace gemel::mqtt {

// Where a broker listens, as written in the configuration: mqtt://host:port, mqtts://host (TLS).
struct Uri {
  std::string host;  // a name or an address, IPv6 without its brackets
  uint16_t port = 0;
  bool is_tls = false;

  // host:port, an IPv6 address in brackets again.
  std::string HostPort() const;
  // As an operator writes it, always with the port.
  std::string Text() const;
  // As Paho wants it: tcp://host:port or ssl://host:port.
  std::string ForPaho() const;
};

// Without a port: 1883 for mqtt, 8883 for mqtts. Invalid for anything else than scheme, host and
// port; the message names the value and what is allowed, but never shows credentials.
Result<Uri> ParseUri(std::string_view text);

}  // namespace gemel::mqtt
