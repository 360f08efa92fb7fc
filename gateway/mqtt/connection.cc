#include "gateway/mqtt/connection.h"

#include <MQTTClient.h>  // MQTTReasonCodes.h alone is not meant for C++
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>

#include "gateway/mqtt/probe.h"

namespace gemel::mqtt {
namespace {

Status Refuse(const char* option, int64_t value, const char* allowed) {
  return Invalid("mqtt option " + std::string(option) + " " + std::to_string(value) +
                 ": allowed: " + allowed);
}

const char* ReturnCodeText(int code) {
  switch (code) {
    case 1:
      return "unacceptable protocol version";
    case 2:
      return "client id rejected";
    case 3:
      return "server unavailable";
    case 4:
      return "bad user name or password";
    case 5:
      return "not authorized";
    default:
      return "failure";
  }
}

// Of the other end; 0 if it is no connected socket.
uint16_t PeerPort(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return 0;
  if (peer.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port);
  if (peer.ss_family != AF_INET6) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in6&>(peer).sin6_port);
}

}  // namespace

Result<Uri> CheckConnection(const Connection& connection) {
  GEMEL_TRY_LET(Uri uri, ParseUri(connection.uri));
  if (connection.client_id.empty()) {
    return Invalid("mqtt option client_id '': allowed: a name that no other client has");
  }
  if (connection.keepalive.count() < 1 || connection.keepalive.count() > 65'535) {
    return Refuse("keepalive", connection.keepalive.count(), "1 to 65535 seconds");
  }
  // 0 ends the session with the connection, 2^31 and above Paho can't express.
  if (connection.session_expiry.count() < 1 || connection.session_expiry.count() > INT32_MAX) {
    return Refuse("session_expiry", connection.session_expiry.count(), "1 to 2147483647 seconds");
  }
  if (connection.receive_maximum == 0) return Refuse("receive_maximum", 0, "1 to 65535");
  if (connection.reconnect_min.count() < 1 || connection.reconnect_max < connection.reconnect_min) {
    return Refuse("reconnect_min", connection.reconnect_min.count(),
                  "1 ms and above, but not above reconnect_max");
  }
  if (uri.is_tls) GEMEL_TRY(CheckTlsFiles(connection));
  return uri;
}

void SendWithoutDelay(const Uri& broker) noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir("/proc/self/fd"), &::closedir);
  if (open == nullptr) return;  // slower, not wrong
  while (const dirent* const entry = ::readdir(open.get())) {
    const int socket = std::atoi(entry->d_name);
    if (PeerPort(socket) != broker.port) continue;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
}

std::string ReasonText(Version version, int code) {
  const char* text = version == Version::k5 ? MQTTReasonCode_toString(MQTTReasonCodes(code))
                                            : ReturnCodeText(code);
  return (text != nullptr ? text : "reason") + std::string(" (") + std::to_string(code) + ")";
}

std::string ConnectFailure(const Connection& connection, const Uri& uri, int code,
                           const std::string& said) {
  const std::string broker = "broker " + uri.Text();
  const bool is_answer = connection.version == Version::k5 ? code >= 0x80 : code >= 1 && code <= 5;
  if (is_answer) {
    return broker + " refuses the connection: " + ReasonText(connection.version, code);
  }
  std::string why = FindConnectFailure(connection, uri);
  if (why.empty()) why = said.empty() ? "no answer to CONNECT" : said;
  return "cannot connect to " + broker + ": " + why;
}

}  // namespace gemel::mqtt
