#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::effects {

// Where a POST goes. URL and headers may be secrets, and are in no message.
struct HttpTarget {
  std::string url;                   // http:// or https://
  std::vector<std::string> headers;  // "Name: value"
  std::filesystem::path ca_file;     // who may sign the server's certificate; empty: the system's
  std::chrono::milliseconds timeout{5'000};
  std::string user_agent;
};

// What came of it.
struct HttpAnswer {
  int status = 0;       // 0: no answer came
  std::string failure;  // why none came
  std::chrono::seconds retry_after{0};
};

// The only user of libcurl beside the command line. Any number of POSTs at once on one thread, each
// over a connection that is kept for the next one. Redirects are not followed, certificates are
// always checked, and of an answer only its head counts: the body is thrown away, and one of more
// than 64 KiB ends the connection.
class HttpPoster {
 public:
  HttpPoster();
  ~HttpPoster();
  HttpPoster(const HttpPoster&) = delete;
  HttpPoster& operator=(const HttpPoster&) = delete;

  // What a caller knows a POST by.
  struct Tag {
    size_t target = 0;
    uint64_t number = 0;
  };
  struct Finished {
    Tag tag;
    HttpAnswer answer;
  };
  // One thread. Starts it; what comes of it is a Finished of this tag, whatever happens.
  void Post(Tag tag, const HttpTarget& target, std::string_view idempotency_key,
            std::string_view body);
  // The same thread. Waits until something has finished, Wake was called, or the time is up.
  std::vector<Finished> Wait(std::chrono::milliseconds timeout);
  // The same thread. POSTs that have not finished.
  size_t in_flight() const;
  // Any thread. Has Wait return now, or the next time.
  void Wake() noexcept;

 private:
  struct Transfer;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemel::effects
