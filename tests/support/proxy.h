#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::support {

// The way that bytes take: from the client to the server, or back.
enum class Way : uint8_t { kToServer, kToClient };

// A TCP proxy on a free loopback port that treats what passes as a bad network does. One thread of
// its own. A command has taken effect when it returns: no byte passes any more that it forbids.
//
//   Proxy proxy(broker.port());
//   ASSERT_TRUE(proxy.Start().ok());
//   proxy.Lose(Way::kToClient);
class Proxy {
 public:
  // Sees all that is read from either end before anything is done to it, on the proxy's thread.
  // `link` numbers the connections.
  using Witness = std::function<void(uint64_t link, Way way, std::string_view bytes)>;

  explicit Proxy(uint16_t server_port, Witness witness = {})
      : server_port_(server_port), witness_(std::move(witness)) {}
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Unavailable if no port can be had. The server need not be there yet: a client that it refuses
  // is accepted and reset.
  Status Start();
  uint16_t port() const { return port_; }

  // What is read from now on arrives so much later; 0 ends that for what follows.
  void Delay(Way way, std::chrono::milliseconds delay);
  // Nothing passes either way and nobody is let in, but all connections stay, and what was sent
  // arrives after Heal.
  void Partition();
  // What is sent this way vanishes without a word. TCP never leaves out bytes, so Heal resets the
  // connections that have lost some.
  void Lose(Way way);
  // Ends Delay, Partition, Lose and Refuse.
  void Heal();
  // Resets all connections (RST).
  void Cut();
  // Ends all connections in this direction alone: its receiver reads their end, and may still send.
  void HalfClose(Way way);
  // New connections are refused, as if nobody listened; those that are there stay.
  void Refuse();

  // Connections that are open now, and all that there were.
  size_t links();
  uint64_t links_total();

 private:
  struct Chunk {
    std::chrono::steady_clock::time_point due;
    std::string bytes;  // none: the end of what is sent
  };
  // One direction of a connection.
  struct Pipe {
    int from = -1;
    int to = -1;
    std::deque<Chunk> chunks;
    size_t bytes = 0;         // in chunks
    bool has_ended = false;   // nothing more is read
    bool is_closed = false;   // and its receiver has been told
    bool is_blocked = false;  // the receiver takes no more now
    bool has_lost = false;
  };
  struct Link {
    uint64_t number = 0;
    Pipe pipes[2];  // by Way
    bool is_cut = false;
  };
  // As commands have it.
  struct Treatment {
    std::chrono::milliseconds delay[2]{};
    bool is_lossy[2]{};
    bool is_partitioned = false;
  };

  // On our thread.
  void Run();
  void Wait();
  void Work();
  void Accept();
  void Read(Link& link, Way way);
  void Write(Link& link, Way way);
  void Close(Link& link);
  Status Listen();

  // Runs it on our thread, and returns when it has been run.
  void Do(const std::function<void()>& command);
  void DoCommands();

  // Constant after Start.
  const uint16_t server_port_;
  const Witness witness_;
  uint16_t port_ = 0;
  int holder_ = -1;  // bound and not listening: keeps the port ours while clients are refused
  int wake_ = -1;    // an eventfd

  // Our thread only.
  int listener_ = -1;  // none while clients are refused
  std::list<Link> links_;
  uint64_t links_total_ = 0;
  Treatment treatment_;
  bool is_ending_ = false;

  std::mutex mutex_;  // between the thread that commands and ours: they only pass a function
  std::deque<const std::function<void()>*> commands_;
  std::condition_variable done_;
  uint64_t done_total_ = 0;

  std::thread thread_;
};

}  // namespace gemel::support
