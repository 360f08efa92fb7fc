#include "gateway/config/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include <fmt/format.h>

#include "gateway/base/quote.h"

namespace gemel::config {
namespace {

constexpr std::string_view kPlain = "mqtt://";
constexpr std::string_view kTls = "mqtts://";
constexpr size_t kHostBytesMax = 253;  // of a DNS name

std::optional<uint16_t> ReadPort(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end) return std::nullopt;
  return port;
}

// Not a resolver's idea of a host: only what can't be mistaken for another part of the text.
bool IsHostName(std::string_view host) {
  const auto is_name_byte = [](char c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alnum || c == '.' || c == '-' || c == '_';
  };
  return !host.empty() && host.size() <= kHostBytesMax && std::ranges::all_of(host, is_name_byte);
}

// Maybe with a zone, as in fe80::1%eth0.
bool IsIpv6(std::string_view host) {
  const size_t percent = std::min(host.find('%'), host.size());
  if (percent < host.size() && !IsHostName(host.substr(percent + 1))) return false;
  const std::string text(host.substr(0, percent));
  in6_addr address;
  return text.find('\0') == std::string::npos && inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// host, host:port, [v6], [v6]:port; `fallback` where the port is missing.
std::optional<Endpoint> Split(std::string_view text, std::optional<uint16_t> fallback) {
  std::string_view host;
  std::string_view rest;
  const bool in_brackets = text.starts_with('[');
  if (in_brackets) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? "" : text.substr(colon);
  }
  if (in_brackets ? !IsIpv6(host) : !IsHostName(host)) return std::nullopt;
  std::optional<uint16_t> port = fallback;
  if (!rest.empty()) port = rest.front() == ':' ? ReadPort(rest.substr(1)) : std::nullopt;
  if (!port) return std::nullopt;
  return Endpoint{.host = std::string(host), .port = *port};
}

}  // namespace

Result<Endpoint> ParseEndpoint(std::string_view text) {
  if (auto endpoint = Split(text, std::nullopt)) return *std::move(endpoint);
  return Invalid(fmt::format(
      "{} is no address and port; host:port or [IPv6 address]:port, like \"127.0.0.1:8080\"",
      Quote(text)));
}

Result<std::string> ParseHost(std::string_view text) {
  std::string_view host = text;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool in_brackets = host.size() < text.size();
  if (IsIpv6(host) || (!in_brackets && IsHostName(host))) return std::string(host);
  return Invalid(fmt::format(
      "{} is no host name or address; without port or wildcard, like \"gateway.example\"",
      Quote(text)));
}

Result<Endpoint> ParseBrokerUri(std::string_view uri) {
  // First of all, so that no later message can show a password.
  if (uri.find('@') != std::string_view::npos) {
    return Invalid(
        "holds credentials, which belong into mqtt.username and mqtt.password_file; allowed is "
        "mqtt://host:port or mqtts://host:port");
  }
  std::string_view place = uri;
  if (place.ends_with('/')) place.remove_suffix(1);
  std::optional<Endpoint> endpoint;
  if (place.starts_with(kPlain)) endpoint = Split(place.substr(kPlain.size()), 1883);
  if (place.starts_with(kTls)) endpoint = Split(place.substr(kTls.size()), 8883);
  if (endpoint && endpoint->port != 0) return *std::move(endpoint);
  return Invalid(fmt::format(
      "{} is no broker; mqtt://host:port or mqtts://host:port, like \"mqtt://127.0.0.1:1883\"",
      Quote(uri)));
}

Result<Endpoint> ParseHttpUrl(std::string_view url) {
  constexpr std::string_view kSchemes[] = {"http://", "https://"};
  const auto wrong = [](std::string_view what) {
    return Invalid(fmt::format("{}; http://host:port/path or https://host:port/path", what));
  };
  const bool has_blank = std::ranges::any_of(
      url, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '#'; });
  if (has_blank) return wrong("holds blanks, control characters or #");
  for (const std::string_view scheme : kSchemes) {
    if (!url.starts_with(scheme)) continue;
    const std::string_view rest = url.substr(scheme.size());
    const std::string_view place = rest.substr(0, rest.find_first_of("/?"));
    if (place.find('@') != std::string_view::npos)
      return wrong("holds credentials, which belong into headers_file");
    const auto endpoint = Split(place, scheme == kSchemes[0] ? 80 : 443);
    if (!endpoint || endpoint->port == 0) return wrong("names no host, or no port");
    return *endpoint;
  }
  return wrong("begins with neither http:// nor https://");
}

bool IsTls(std::string_view uri) { return uri.starts_with(kTls); }

}  // namespace gemel::config
