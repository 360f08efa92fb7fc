#pragma once

#include <string>
#include <string_view>

#include "gateway/base/status.h"
#include "gateway/config/config.h"

namespace gemel::config {

// "127.0.0.1:8080", "localhost:0", "[::1]:8080". Invalid without host or port. Brackets hold an
// IPv6 address and nothing else.
Result<Endpoint> ParseEndpoint(std::string_view text);

// A host name or address alone, an IPv6 address with or without its brackets; the result has none.
Result<std::string> ParseHost(std::string_view text);

// Host and port of mqtt://host[:port] (default 1883) or mqtts://host[:port] (8883). Port 0 is
// Invalid, and so are credentials, which the message never shows. Accepts what mqtt::ParseUri does.
Result<Endpoint> ParseBrokerUri(std::string_view uri);

// Host and port of http://host[:port][/path][?query] or https://… with default ports 80 and 443.
// Credentials, blanks, control characters and a fragment are Invalid. The message never shows the
// text, which may be a secret.
Result<Endpoint> ParseHttpUrl(std::string_view url);

// REQUIRES: ParseBrokerUri(uri).ok()
bool IsTls(std::string_view uri);

}  // namespace gemel::config
