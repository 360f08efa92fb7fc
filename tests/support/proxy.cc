#include "tests/support/proxy.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "gateway/base/assert.h"

namespace gemel::support {
namespace {

using Steady = std::chrono::steady_clock;

// As much as a slow network holds: behind it the sender is blocked, as TCP does it.
constexpr size_t kHeldBytesMax = size_t{4} * 1'024 * 1'024;
constexpr size_t kReadBytes = 64 * 1'024;

constexpr size_t Index(Way way) { return static_cast<size_t>(way); }
constexpr Way kWays[] = {Way::kToServer, Way::kToClient};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A socket bound to this port, or to any if it is 0; -1 with errno set. Two of ours share one port.
int Bind(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  const sockaddr_in address = Loopback(port);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  ::close(socket);
  return -1;
}

int ConnectTo(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  ::close(socket);
  return -1;
}

void CloseWithReset(int socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(socket);
}

void SendWithoutDelay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Status Proxy::Start() {
  GEMEL_ASSERT(!thread_.joinable());
  holder_ = Bind(0);
  if (holder_ < 0) return Unavailable("no port for a proxy: " + std::to_string(errno));
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(holder_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  GEMEL_TRY(Listen());
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

Status Proxy::Listen() {
  listener_ = Bind(port_);
  if (listener_ < 0 || ::listen(listener_, 64) != 0)
    return Unavailable("a proxy cannot listen on port " + std::to_string(port_) + ": errno " +
                       std::to_string(errno));
  return Status::Ok();
}

Proxy::~Proxy() {
  if (thread_.joinable()) {
    Do([this] { is_ending_ = true; });
    thread_.join();
  }
  for (Link& link : links_) Close(link);
  for (const int file : {listener_, holder_, wake_}) {
    if (file >= 0) ::close(file);
  }
}

void Proxy::Delay(Way way, std::chrono::milliseconds delay) {
  Do([&] { treatment_.delay[Index(way)] = delay; });
}

void Proxy::Partition() {
  Do([&] { treatment_.is_partitioned = true; });
}

void Proxy::Lose(Way way) {
  Do([&] { treatment_.is_lossy[Index(way)] = true; });
}

void Proxy::Heal() {
  Do([&] {
    treatment_ = {};
    for (Link& link : links_) {
      for (const Pipe& pipe : link.pipes) link.is_cut = link.is_cut || pipe.has_lost;
    }
    if (listener_ < 0) GEMEL_ASSERT(Listen().ok());
  });
}

void Proxy::Cut() {
  Do([&] {
    for (Link& link : links_) link.is_cut = true;
  });
}

void Proxy::HalfClose(Way way) {
  Do([&] {
    for (Link& link : links_) {
      Pipe& pipe = link.pipes[Index(way)];
      pipe.has_ended = true;
      pipe.chunks.clear();
      pipe.chunks.push_back({Steady::now(), ""});
      pipe.bytes = 0;
    }
  });
}

void Proxy::Refuse() {
  Do([&] {
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  });
}

size_t Proxy::links() {
  size_t links = 0;
  Do([&] { links = links_.size(); });
  return links;
}

uint64_t Proxy::links_total() {
  uint64_t total = 0;
  Do([&] { total = links_total_; });
  return total;
}

void Proxy::Do(const std::function<void()>& command) {
  std::unique_lock lock(mutex_);
  commands_.push_back(&command);
  const uint64_t mine = done_total_ + commands_.size();
  ::eventfd_write(wake_, 1);
  done_.wait(lock, [&] { return done_total_ >= mine; });
}

void Proxy::DoCommands() {
  eventfd_t ignored = 0;
  ::eventfd_read(wake_, &ignored);
  const std::lock_guard lock(mutex_);
  for (; !commands_.empty(); commands_.pop_front(), ++done_total_) {
    (*commands_.front())();
    // What a command resets is closed before it returns.
    for (Link& link : links_) {
      if (link.is_cut) Close(link);
    }
    std::erase_if(links_, [](const Link& link) { return link.is_cut; });
  }
  done_.notify_all();
}

void Proxy::Run() {
  while (!is_ending_) {
    Wait();
    DoCommands();
    Work();
  }
}

// Until something can be done: a command, a byte that may be read, one that is due.
void Proxy::Wait() {
  std::vector<pollfd> files{{wake_, POLLIN, 0}};
  std::optional<Steady::time_point> due;
  if (!treatment_.is_partitioned) {
    if (listener_ >= 0) files.push_back({listener_, POLLIN, 0});
    for (const Link& link : links_) {
      for (const Pipe& pipe : link.pipes) {
        if (!pipe.has_ended && pipe.bytes < kHeldBytesMax) files.push_back({pipe.from, POLLIN, 0});
        if (pipe.is_blocked) {
          files.push_back({pipe.to, POLLOUT, 0});
        } else if (!pipe.chunks.empty()) {
          due = std::min(due.value_or(pipe.chunks.front().due), pipe.chunks.front().due);
        }
      }
    }
  }
  int timeout = -1;
  if (due) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - Steady::now());
    timeout = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1'000));
  }
  ::poll(files.data(), files.size(), timeout);
}

void Proxy::Work() {
  if (treatment_.is_partitioned) return;
  Accept();
  for (Link& link : links_) {
    for (const Way way : kWays) {
      if (!link.is_cut) Read(link, way);
      if (!link.is_cut) Write(link, way);
    }
    const bool is_over = link.pipes[0].is_closed && link.pipes[1].is_closed;
    if (is_over || link.is_cut) Close(link);
    link.is_cut = link.is_cut || is_over;
  }
  std::erase_if(links_, [](const Link& link) { return link.is_cut; });
}

void Proxy::Accept() {
  while (listener_ >= 0) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) return;
    const int server = ConnectTo(server_port_);
    if (server < 0) {
      CloseWithReset(client);
      continue;
    }
    SendWithoutDelay(client);
    SendWithoutDelay(server);
    links_.push_back({.number = ++links_total_,
                      .pipes = {{.from = client, .to = server}, {.from = server, .to = client}}});
  }
}

void Proxy::Read(Link& link, Way way) {
  Pipe& pipe = link.pipes[Index(way)];
  char buffer[kReadBytes];
  while (!pipe.has_ended && pipe.bytes < kHeldBytesMax) {
    const ssize_t size = ::recv(pipe.from, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0) {
      link.is_cut = errno != EAGAIN && errno != EINTR;
      return;
    }
    pipe.has_ended = size == 0;
    const std::string_view bytes(buffer, static_cast<size_t>(size));
    if (witness_ && !bytes.empty()) witness_(link.number, way, bytes);
    if (treatment_.is_lossy[Index(way)]) {
      pipe.has_lost = true;  // the end of a connection gets lost as well
      continue;
    }
    pipe.chunks.push_back({Steady::now() + treatment_.delay[Index(way)], std::string(bytes)});
    pipe.bytes += bytes.size();
  }
}

void Proxy::Write(Link& link, Way way) {
  Pipe& pipe = link.pipes[Index(way)];
  pipe.is_blocked = false;
  const auto now = Steady::now();
  while (!pipe.chunks.empty() && pipe.chunks.front().due <= now) {
    std::string& bytes = pipe.chunks.front().bytes;
    if (bytes.empty()) {
      ::shutdown(pipe.to, SHUT_WR);
      pipe.is_closed = true;
      pipe.chunks.clear();
      return;
    }
    const ssize_t size = ::send(pipe.to, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) {
      pipe.is_blocked = errno == EAGAIN;
      link.is_cut = errno != EAGAIN && errno != EINTR;
      return;
    }
    pipe.bytes -= static_cast<size_t>(size);
    bytes.erase(0, static_cast<size_t>(size));
    if (bytes.empty()) pipe.chunks.pop_front();
  }
}

void Proxy::Close(Link& link) {
  for (const Pipe& pipe : link.pipes) {
    if (link.is_cut) {
      CloseWithReset(pipe.from);
    } else {
      ::close(pipe.from);
    }
  }
}

}  // namespace gemel::support
