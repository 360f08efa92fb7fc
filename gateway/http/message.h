#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A request and its response as plain values: all that a handler sees of HTTP.
namespace gemel::http {

struct Request {
  std::string method;
  std::vector<std::string> path;                           // decoded segments; "/" is one empty one
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in their order
  std::string content_type;  // as the client said it; empty if it did not
  std::string body;

  // The first parameter of this name.
  std::optional<std::string_view> Parameter(std::string_view name) const {
    for (const auto& [key, value] : query) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those that every response has
};

// The words that belong to a status code; "Error" for one that the gateway does not use.
std::string_view StatusText(int status);

// An error as RFC 9457 has it. `detail` says what is wrong and what is allowed; text of a client
// in it is quoted.
Response Problem(int status, std::string_view detail);

enum class After : unsigned char { kKeepOpen, kClose };

// Status line and header fields of a response, with the blank line that ends them. `date` is the
// value of the Date field.
std::string WriteHead(const Response& response, After after, std::string_view date);

}  // namespace gemel::http
