#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::http {

// The names under which the gateway answers. A browser that was lured to another name that leads
// here sends that name, and is refused by it.
class HostList {
 public:
  HostList() = default;
  // The address that is listened on, and the loopback's names, each with the port. Port 80 may be
  // left out, as browsers do. Then `more` names, each with the port or without: what stands before
  // the gateway may have a port of its own.
  HostList(const std::string& host, uint16_t port, std::span<const std::string> more = {});

  // Case does not matter.
  bool Allows(std::string_view host) const;
  // Whether an Origin field names a page of ours: http or https of one of the names.
  bool AllowsOrigin(std::string_view origin) const;

 private:
  std::vector<std::string> allowed_;  // in lower case
};

// "127.0.0.1:8080", "[::1]:8080".
std::string FormatEndpoint(std::string_view host, uint16_t port);

}  // namespace gemel::http
