#include "tests/support/broker.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>

namespace gemel::support {
namespace {

constexpr std::chrono::milliseconds kAskAgain{500};

bool CanBind(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return is_free;
}

// Below the range from which Linux takes ports for outgoing connections: a client that reconnects
// while the broker is down must neither be given its port nor end up connected to itself.
uint16_t FreePort() {
  std::random_device random;
  std::uniform_int_distribution<uint16_t> ports(15'000, 32'000);
  uint16_t port = 0;
  do {
    port = ports(random);
  } while (!CanBind(port));
  return port;
}

// Copies what is not said already. Its own log_type would keep from us that it runs.
void WriteForeign(const std::string& configuration, std::ostream& file) {
  std::istringstream lines(configuration);
  std::string line;
  while (std::getline(lines, line)) {
    const std::string key = line.substr(0, line.find(' '));
    const bool is_ours = key == "listener" || key == "allow_anonymous" || key == "user" ||
                         key == "log_dest" || key == "log_type" || key == "persistence_location";
    if (!is_ours) file << line << "\n";
  }
}

}  // namespace

Status Broker::Start() {
  if (is_running()) return Status::Ok();
  if (port_ != 0) return StartOn(port_);
  Status status;
  // Another program may take the port between our look and the broker's bind.
  for (int attempt = 0; attempt < 5; ++attempt) {
    const uint16_t port = FreePort();
    status = StartOn(port);
    if (status.ok()) {
      port_ = port;
      break;
    }
  }
  return status;
}

Status Broker::StartOn(uint16_t port) {
  WriteConfiguration(port);
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"mosquitto", "-c", directory_ / "mosquitto.conf"},
      Process::Options{.has_errors_in_output = true});
  // It says so after it has opened its listeners; connecting would not tell it from another
  // program's broker that was quicker to take the port.
  std::string said;
  while (std::optional<std::string> line = process_->ReadLine()) {
    if (line->ends_with(" running")) return Status::Ok();
    said += *line + "; ";
  }
  process_.reset();
  return Unavailable("mosquitto does not start on port " + std::to_string(port) + ": " + said);
}

void Broker::WriteConfiguration(uint16_t port) const {
  std::ofstream file(directory_ / "mosquitto.conf");
  file << "listener " << port << " 127.0.0.1\n"
       << "allow_anonymous true\n"
       // Started by root it would become another user, who may not write into our folder.
       << "user root\n"
       // Not stdout, which it does not flush.
       << "log_dest stderr\n"
       << "persistence_location " << directory_.path().string() << "/\n";
  if (options_.configuration) {
    WriteForeign(*options_.configuration, file);
  } else {
    file << "set_tcp_nodelay true\n"
         << "max_queued_messages 0\n"
         << "max_inflight_messages " << options_.max_inflight_messages << "\n";
    if (options_.is_persistent) file << "persistence true\nautosave_interval 1\n";
  }
  for (const std::string& line : options_.lines) file << line << "\n";
}

void Broker::Stop() {
  if (process_ == nullptr) return;
  Thaw();  // a stopped process sleeps through SIGTERM
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  // Mosquitto 2.0.11 forgets one that comes between its last word of starting and its first turn.
  do {
    process_->Signal(SIGTERM);
  } while (!process_->Wait(kAskAgain) && std::chrono::steady_clock::now() < deadline);
  process_.reset();
}

void Broker::Kill() { process_.reset(); }

void Broker::Freeze() {
  if (process_ == nullptr) return;
  process_->Signal(SIGSTOP);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process_->pid()), &info, WSTOPPED | WEXITED | WNOWAIT);
}

void Broker::Thaw() {
  if (process_ != nullptr) process_->Signal(SIGCONT);
}

Status Broker::Restart() {
  Stop();
  return Start();
}

std::string Broker::uri() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }

}  // namespace gemel::support
