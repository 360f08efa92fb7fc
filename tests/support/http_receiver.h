#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/process.h"

namespace gemel::support {

struct HttpRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> headers;  // by name in lower case
  std::string body;
};

// What a receiver does with a request: sends these bytes, then this.
struct HttpReply {
  enum class Then : uint8_t { kKeep, kClose, kHang };
  std::string bytes;
  Then then = Then::kKeep;
};
// A whole answer of this status, with further header lines that end in \r\n.
HttpReply Reply(int status, std::string_view headers = "", std::string_view body = "");

// An HTTP server of a test's own, on 127.0.0.1 and a port of the system's choice, that answers as
// it is told to, or does not. A thread a connection.
class HttpReceiver {
 public:
  using Answer = std::function<HttpReply(const HttpRequest&)>;

  // Answers 200 until it is told otherwise.
  HttpReceiver();
  ~HttpReceiver();
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  std::string url(std::string_view path = "/hook") const;
  // Called by the connections' threads.
  void SetAnswer(Answer answer);
  // Refuses connections and closes those that are open, until Open, which takes the same port.
  void Close();
  void Open();

  // Whole requests so far, in the order of their end.
  std::vector<HttpRequest> received() const;
  bool Await(const std::function<bool(const std::vector<HttpRequest>&)>& is_so,
             std::chrono::milliseconds patience = kPatience) const;
  bool AwaitCount(size_t count) const;

 private:
  struct Connection {
    int socket = -1;
    std::thread thread;
  };

  void Listen();
  void Accept();
  void Serve(int socket);
  bool ReadRequest(int socket, std::string& input, HttpRequest& request);

  uint16_t port_ = 0;
  int listener_ = -1;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Answer answer_;
  std::vector<HttpRequest> received_;
  std::list<Connection> connections_;
  bool is_closing_ = false;
};

}  // namespace gemel::support
