#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "gateway/http/hosts.h"
#include "gateway/http/parser.h"
#include "gateway/http/resources.h"
#include "gateway/http/server.h"
#include "gateway/http/workers.h"

namespace gemel::http {

class Connection;

// What the connections of a server share. Only workers may be used by other threads than that of
// the sockets.
struct Service {
  Service(const ServerOptions& server_options, std::vector<Resource> server_resources)
      : options(server_options),
        resources(std::move(server_resources)),
        workers(options.workers, options.queue_max) {}

  const ServerOptions options;
  const std::vector<Resource> resources;
  HostList hosts;
  Workers workers;
  boost::asio::io_context io{1};
  std::unordered_set<std::shared_ptr<Connection>> connections;
  size_t response_bytes = 0;  // being sent
  bool is_stopping = false;
};

// One client: reads a request, has it answered, writes the response, and again. Everything runs on
// the thread of the sockets. Held by shared_ptr, because every operation under way at the library
// holds it too, and the last to end frees it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(boost::asio::ip::tcp::socket socket, Service& service);
  void Start();
  // Forgets the client, whatever is under way.
  void Close();
  // Closes it if nothing is owed to the client, otherwise after the response.
  void CloseWhenAnswered();

  // Lets go of a client that took too long.
  void CheckDeadline(Clock::time_point now);
  // How little is lost if this connection makes room for another: 0 for nothing at all (a response
  // is owed).
  int spareness() const;
  Clock::time_point waits_since() const { return waits_since_; }

 private:
  enum class Phase : unsigned char {
    kIdle,      // waits for the first byte of a request
    kHeader,    // reads its header
    kBody,      // reads its body
    kWorking,   // a worker has it
    kWriting,   // sends the response
    kDraining,  // has sent the last response; reads on, so that a reset does not destroy it
    kClosed
  };

  void Enter(Phase phase, std::chrono::milliseconds patience);
  void ReadSome();
  void OnRead(size_t bytes);
  void ParseInput();
  // A refusal, or nothing if the request can go on.
  std::optional<Response> CheckHead();
  void Dispatch();
  void Respond(Response response);
  // The connection's last response: what follows on it can't be understood or is not wanted.
  void RefuseAndClose(Response response);
  void OnWritten();
  void Drain();

  boost::asio::ip::tcp::socket socket_;
  Service& service_;
  Phase phase_ = Phase::kIdle;
  Clock::time_point waits_since_;
  Clock::time_point deadline_;
  bool is_reading_ = false;
  std::array<char, 4'096> chunk_;
  std::string input_;  // read and not consumed
  std::optional<RequestParser> parser_;
  Request request_;
  const Resource* resource_ = nullptr;
  bool is_head_ = false;  // of HEAD, not GET
  After after_ = After::kKeepOpen;
  std::string head_;
  std::string body_;
  size_t drained_bytes_ = 0;
};

}  // namespace gemel::http
