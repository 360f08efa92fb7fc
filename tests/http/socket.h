#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/process.h"

namespace gemel::http {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  // The value of a header field, written as the gateway writes it; empty if it is not there.
  std::string Header(std::string_view name) const;
};

// A client that sends whatever it is told, for servers that must stand it.
class Socket {
 public:
  explicit Socket(uint16_t port, std::string_view address = "127.0.0.1");
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&&) = delete;

  // False once the server has closed. Gives up after kPatience if the server reads no more.
  bool Send(std::string_view bytes);
  // One response, or nothing if the connection ends before it is whole.
  std::optional<Answer> Receive(bool has_body = true);
  // Whether the server closes, within the patience; what it sends before is thrown away.
  bool IsClosed(std::chrono::milliseconds patience = support::kPatience);

 private:
  // False at the end of the stream or of patience.
  bool ReadMore(std::chrono::milliseconds patience);

  int file_;
  std::string input_;
};

// A request with the right Host.
std::string Get(uint16_t port, std::string_view target, std::string_view headers = "");
// Sends bytes on a connection of its own and returns the first response.
std::optional<Answer> Exchange(uint16_t port, std::string_view bytes);

}  // namespace gemel::http
