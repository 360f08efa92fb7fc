#pragma once

#include <string>

#include "gateway/base/status.h"
#include "gateway/mqtt/client.h"
#include "gateway/mqtt/uri.h"

// What both clients of Paho do with a Connection.
namespace gemel::mqtt {

// The broker's place, or Invalid with the option, its value and what is allowed.
Result<Uri> CheckConnection(const Connection& connection);

// The broker's answer to CONNECT or SUBSCRIBE in words: reason code in MQTT 5, return code
// in 3.1.1.
std::string ReasonText(Version version, int code);

// Why an attempt to connect failed: `code` is what Paho returned, the broker's answer or an error
// of its own; `said` is Paho's message, or empty. May take seconds. Never shows the password.
std::string ConnectFailure(const Connection& connection, const Uri& uri, int code,
                           const std::string& said);

}  // namespace gemel::mqtt
