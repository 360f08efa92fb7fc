#pragma once

#include <string>

#include "gateway/base/status.h"
#include "gateway/mqtt/client.h"
#include "gateway/mqtt/uri.h"

// What both clients of Paho do with a Connection.
namespace gemel::mqtt {

// The broker's place, or Invalid with the option, its value and what is allowed.
Result<Uri> CheckConnection(const Connection& connection);

// Lets packets to the broker leave at once: Paho leaves Nagle's algorithm on, which holds a packet
// back until the broker's kernel has acknowledged the one before, up to 40 ms, and gives out no
// socket. So this looks through the sockets of the process for those that lead to the broker's
// port.
void SendWithoutDelay(const Uri& broker) noexcept;

// The broker's answer to CONNECT or SUBSCRIBE in words: reason code in MQTT 5, return code
// in 3.1.1.
std::string ReasonText(Version version, int code);

// Why an attempt to connect failed: `code` is what Paho returned, the broker's answer or an error
// of its own; `said` is Paho's message, or empty. May take seconds. Never shows the password.
std::string ConnectFailure(const Connection& connection, const Uri& uri, int code,
                           const std::string& said);

}  // namespace gemel::mqtt
