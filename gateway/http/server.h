#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/http/parser.h"
#include "gateway/http/resources.h"

namespace gemel::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: the system chooses
  // Names and addresses (IPv6 without brackets) by which clients may call beside `host` and the
  // loopback's, with the port or without. A client that calls by another name gets 421.
  std::vector<std::string> hosts;
  RequestParser::Limits limits;
  size_t connections_max = 512;
  // Of responses that are being sent; beyond it requests get 503 until clients have read theirs.
  size_t response_bytes_max = size_t{256} << 20;
  size_t workers = 2;
  size_t queue_max = 64;  // requests that wait for a worker
  // Between requests.
  std::chrono::milliseconds idle_timeout{60'000};
  // From a request's first byte to the end of its header, and from there to the end of its body.
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{10'000};
  // To take a response, and as much more as its bytes take the slowest reader that is waited for.
  std::chrono::milliseconds write_timeout{10'000};
  size_t read_bytes_per_second_min = 128 * 1'024;
};

// HTTP/1.1 for people and dashboards. One thread drives all sockets; handlers that may wait run on
// a few workers. Bounded in every direction, whatever a client sends: connections (a new one takes
// the place of the one that has been idle longest), header, body, time and memory.
class Server {
 public:
  // Listens from here on. Unavailable, naming the address, if it can't be listened on.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                               std::vector<Resource> resources);
  // Stops.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  // Host and bound port: "127.0.0.1:43121".
  std::string address() const;

  // Finishes the requests that workers have, closes everything else, ends the threads. When it
  // returns no handler runs or will run. Called twice it does nothing.
  void Stop();

 private:
  class Transport;
  explicit Server(std::unique_ptr<Transport> transport);
  std::unique_ptr<Transport> transport_;
};

}  // namespace gemel::http
