#include "gateway/http/message.h"

#include <iterator>

#include <fmt/format.h>

#include "gateway/base/json_text.h"

namespace gemel::http {

std::string_view StatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

Response Problem(int status, std::string_view detail) {
  Response response{.status = status, .content_type = "application/problem+json"};
  fmt::format_to(std::back_inserter(response.body),
                 R"({{"type":"about:blank","title":"{}","status":{},"detail":)", StatusText(status),
                 status);
  AppendJsonText(detail, response.body);
  response.body += "}\n";
  return response;
}

std::string WriteHead(const Response& response, After after, std::string_view date) {
  std::string head;
  auto out = std::back_inserter(head);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Length: {}\r\n", response.status,
                 StatusText(response.status), date, response.body.size());
  fmt::format_to(out, "Content-Type: {}\r\n", response.content_type);
  // What devices and people named is shown, so nothing that a browser could run or guess at.
  head +=
      "Content-Security-Policy: default-src 'self'\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "Referrer-Policy: no-referrer\r\n"
      "Cache-Control: no-store\r\n";
  for (const auto& [name, value] : response.headers) {
    fmt::format_to(out, "{}: {}\r\n", name, value);
  }
  if (after == After::kClose) head += "Connection: close\r\n";
  head += "\r\n";
  return head;
}

}  // namespace gemel::http
