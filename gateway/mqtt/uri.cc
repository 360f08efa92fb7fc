#include "gateway/mqtt/uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

namespace gemel::mqtt {
namespace {

constexpr uint16_t kPortPlain = 1883;
constexpr uint16_t kPortTls = 8883;
constexpr size_t kHostBytesMax = 253;  // of a DNS name

Status Refuse(std::string_view text, std::string_view what) {
  return Invalid("broker URI '" + std::string(text) + "': " + std::string(what) +
                 "; allowed: mqtt://host:port or mqtts://host:port, IPv6 as [::1]");
}

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

// Maybe with a zone, as in fe80::1%eth0.
bool IsIpv6(std::string_view host) {
  const size_t percent = std::min(host.find('%'), host.size());
  if (percent < host.size()) {
    const std::string_view zone = host.substr(percent + 1);
    if (zone.empty() || !std::ranges::all_of(zone, IsHostByte)) return false;
  }
  const std::string text(host.substr(0, percent));
  in6_addr address;
  return text.find('\0') == std::string::npos && inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end || port == 0) return std::nullopt;
  return port;
}

struct Authority {
  std::string_view host;
  std::string_view port;  // with its colon, or empty
};

std::optional<Authority> SplitAuthority(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view host = text.substr(1, close - 1);
    if (!IsIpv6(host)) return std::nullopt;
    return Authority{host, text.substr(close + 1)};
  }
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view host = text.substr(0, colon);
  if (host.empty() || !std::ranges::all_of(host, IsHostByte)) return std::nullopt;
  return Authority{host, text.substr(colon)};
}

}  // namespace

std::string Uri::HostPort() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Uri::Text() const { return (is_tls ? "mqtts://" : "mqtt://") + HostPort(); }

std::string Uri::ForPaho() const { return (is_tls ? "ssl://" : "tcp://") + HostPort(); }

Result<Uri> ParseUri(std::string_view text) {
  // First of all, so that no later message can show a password.
  if (text.find('@') != std::string_view::npos) {
    return Invalid(
        "the broker URI holds credentials; allowed: mqtt://host:port or mqtts://host:port, with "
        "user name and password under keys of their own");
  }
  Uri uri;
  std::string_view rest = text;
  if (rest.starts_with("mqtts://")) {
    uri.is_tls = true;
  } else if (!rest.starts_with("mqtt://")) {
    return Refuse(text, "unknown scheme");
  }
  rest.remove_prefix(rest.find("//") + 2);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return Refuse(text, "a path means nothing to a broker");
  }
  const std::optional<Authority> authority = SplitAuthority(rest);
  if (!authority || authority->host.size() > kHostBytesMax) return Refuse(text, "not a host");
  uri.host = authority->host;
  uri.port = uri.is_tls ? kPortTls : kPortPlain;
  if (!authority->port.empty()) {
    const std::optional<uint16_t> port =
        authority->port.starts_with(':') ? ParsePort(authority->port.substr(1)) : std::nullopt;
    if (!port) return Refuse(text, "the port is not a number from 1 to 65535");
    uri.port = *port;
  }
  return uri;
}

}  // namespace gemel::mqtt
