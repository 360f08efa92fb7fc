#include "gateway/http/hosts.h"

#include <algorithm>

#include <fmt/format.h>

namespace gemel::http {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string InBrackets(std::string_view host) {
  return host.find(':') == std::string_view::npos ? std::string(host) : fmt::format("[{}]", host);
}

}  // namespace

std::string FormatEndpoint(std::string_view host, uint16_t port) {
  return fmt::format("{}:{}", InBrackets(host), port);
}

HostList::HostList(const std::string& host, uint16_t port, std::span<const std::string> more) {
  for (const std::string_view name : {std::string_view(host), std::string_view("localhost"),
                                      std::string_view("127.0.0.1"), std::string_view("::1")}) {
    allowed_.push_back(Lower(FormatEndpoint(name, port)));
    if (port == 80) allowed_.push_back(Lower(InBrackets(name)));
  }
  for (const std::string& name : more) {
    allowed_.push_back(Lower(FormatEndpoint(name, port)));
    allowed_.push_back(Lower(InBrackets(name)));
  }
}

bool HostList::AllowsOrigin(std::string_view origin) const {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return Allows(origin.substr(scheme.size()));
  }
  return false;
}

bool HostList::Allows(std::string_view host) const {
  return std::ranges::find(allowed_, Lower(host)) != allowed_.end();
}

}  // namespace gemel::http
