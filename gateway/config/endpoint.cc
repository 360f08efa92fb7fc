#include "gateway/config/endpoint.h"

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

std::optional<uint16_t> ReadPort(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc() || rest != end) return std::nullopt;
  return port;
}

// Not a resolver's idea of a host: only what can't be mistaken for another part of the text.
bool IsHost(std::string_view host, bool in_brackets) {
  return !host.empty() && std::ranges::all_of(host, [&](char c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alnum || c == '.' || c == '-' || c == '_' || (in_brackets && (c == ':' || c == '%'));
  });
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
  if (!IsHost(host, in_brackets)) return std::nullopt;
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

Result<Endpoint> ParseBrokerUri(std::string_view uri) {
  std::optional<Endpoint> endpoint;
  if (uri.starts_with(kPlain)) endpoint = Split(uri.substr(kPlain.size()), 1883);
  if (uri.starts_with(kTls)) endpoint = Split(uri.substr(kTls.size()), 8883);
  if (endpoint && endpoint->port != 0) return *std::move(endpoint);
  return Invalid(fmt::format(
      "{} is no broker; mqtt://host:port or mqtts://host:port, like \"mqtt://127.0.0.1:1883\"",
      Quote(uri)));
}

bool IsTls(std::string_view uri) { return uri.starts_with(kTls); }

}  // namespace gemel::config
