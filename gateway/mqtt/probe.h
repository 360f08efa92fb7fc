#pragma once

#include <string>

#include "gateway/base/status.h"
#include "gateway/mqtt/client.h"
#include "gateway/mqtt/uri.h"

// What Paho doesn't say: which TLS file is no good, and why a broker can't be reached.
namespace gemel::mqtt {

// Invalid if a PEM file of the connection can't be read, isn't one, or key and certificate don't
// belong together. Names the option and the file.
Status CheckTlsFiles(const Connection& connection);

// Tries name, TCP and TLS once by itself, without MQTT, and says what failed: "Connection refused",
// "certificate verify failed: self-signed certificate". Empty if nothing did. Waits a few seconds
// at most; for after a failure only.
std::string FindConnectFailure(const Connection& connection, const Uri& uri);

}  // namespace gemel::mqtt
