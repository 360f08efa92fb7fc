#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace gemel::support {

// A real mosquitto on a free loopback port, with a configuration and a folder of its own; nothing
// of it is left when the object goes. The port stays the same for the broker's whole life, also
// while it is down, and no other program's outgoing connection is ever given it.
//
//   Broker broker;
//   ASSERT_TRUE(broker.Start().ok());
class Broker {
 public:
  struct Options {
    bool is_persistent = false;  // queues and sessions survive Kill, up to autosave's second
    int max_inflight_messages = 100;
    // A mosquitto.conf to be run as it is, but for port, user, folder and log, instead of what the
    // above says. The empty text is Mosquitto with its defaults.
    std::optional<std::string> configuration;
    std::vector<std::string> lines;  // of mosquitto.conf, added at the end
  };

  Broker() : Broker(Options{}) {}
  explicit Broker(Options options) : options_(std::move(options)) {}

  // Returns when the broker accepts connections. Unavailable with the broker's own words if it
  // doesn't come up. Does nothing if it runs.
  Status Start();
  // SIGTERM: disconnects everybody, saves (if persistent), ends.
  void Stop();
  // SIGKILL: what was not saved is lost. Also ends a frozen one.
  void Kill();
  // SIGSTOP and SIGCONT: connections stay open and nobody answers.
  void Freeze();
  void Thaw();
  // Stop and Start.
  Status Restart();

  bool is_running() { return process_ != nullptr && process_->is_running(); }
  // 0 before the first Start.
  uint16_t port() const { return port_; }
  // mqtt://127.0.0.1:port
  std::string uri() const;
  const std::filesystem::path& directory() const { return directory_.path(); }

 private:
  Status StartOn(uint16_t port);
  void WriteConfiguration(uint16_t port) const;

  Options options_;
  TempDir directory_;
  uint16_t port_ = 0;
  std::unique_ptr<Process> process_;  // null when it is down
};

}  // namespace gemel::support
