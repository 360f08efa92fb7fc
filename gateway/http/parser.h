#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::http {

// What is known of a request once its header is complete.
struct RequestHead {
  std::string method;
  std::string target;
  std::vector<std::string> hosts;        // Host fields; exactly one is right
  std::string transfer_encoding;         // empty if there is none
  std::string content_type;              // empty if there is none
  std::vector<std::string> origins;      // Origin fields; a browser sends one
  std::vector<std::string> fetch_sites;  // Sec-Fetch-Site fields, the same
  bool has_expectation = false;
  bool has_body = false;
  bool keeps_open = true;  // as version and Connection say
};

// Reads one request from the bytes of a connection, however they are cut. One thread.
class RequestParser {
 public:
  struct Limits {
    size_t header_bytes_max = 16 * 1'024;
    size_t body_bytes_max = 1'024 * 1'024;
  };

  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  enum class State : unsigned char {
    kNeedsMore,  // call again with what was not consumed and more behind it
    kHead,       // the header is complete: said once
    kDone,       // so is the body
    kRefused,
  };
  struct Step {
    State state = State::kNeedsMore;
    size_t consumed = 0;
    int status = 0;        // kRefused: 400, 413, 431 or 505
    std::string_view why;  // kRefused: constant text
  };
  // Reads on. REQUIRES: neither kDone nor kRefused was returned yet.
  Step Read(std::string_view bytes);

  // REQUIRES: kHead was returned.
  const RequestHead& head() const;
  // REQUIRES: kDone was returned.
  std::string TakeBody();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace gemel::http
