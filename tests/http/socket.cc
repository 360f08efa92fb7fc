#include "tests/http/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gemel::http {

std::string Answer::Header(std::string_view name) const {
  const std::string start = fmt::format("\r\n{}: ", name);
  const size_t at = head.find(start);
  if (at == std::string::npos) return "";
  const size_t begin = at + start.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

Socket::Socket(uint16_t port, std::string_view address)
    : file_(socket(address.find(':') == std::string_view::npos ? AF_INET : AF_INET6,
                   SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  EXPECT_GE(file_, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, std::string(address).c_str(), &to.sin_addr), 1);
  EXPECT_EQ(connect(file_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  fcntl(file_, F_SETFL, fcntl(file_, F_GETFL) | O_NONBLOCK);
}

Socket::~Socket() {
  if (file_ >= 0) close(file_);
}

Socket::Socket(Socket&& other) noexcept
    : file_(std::exchange(other.file_, -1)), input_(std::move(other.input_)) {}

bool Socket::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno != EAGAIN) return false;
    pollfd wait{file_, POLLOUT, 0};
    if (poll(&wait, 1, static_cast<int>(support::kPatience.count())) != 1) return false;
  }
  return true;
}

bool Socket::ReadMore(std::chrono::milliseconds patience) {
  pollfd wait{file_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) != 1) return false;
  std::array<char, 65'536> chunk;
  const ssize_t got = recv(file_, chunk.data(), chunk.size(), 0);
  if (got <= 0) return false;
  input_.append(chunk.data(), static_cast<size_t>(got));
  return true;
}

std::optional<Answer> Socket::Receive(bool has_body) {
  size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore(support::kPatience)) return std::nullopt;
  }
  Answer answer;
  answer.head = input_.substr(0, end + 2);
  input_.erase(0, end + 4);
  answer.status = std::atoi(answer.head.c_str() + sizeof "HTTP/1.1");
  const size_t length = has_body ? std::stoul("0" + answer.Header("Content-Length")) : 0;
  while (input_.size() < length) {
    if (!ReadMore(support::kPatience)) return std::nullopt;
  }
  answer.body = input_.substr(0, length);
  input_.erase(0, length);
  return answer;
}

bool Socket::IsClosed(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd wait{file_, POLLIN, 0};
    if (left.count() < 0 || poll(&wait, 1, static_cast<int>(left.count())) != 1) return false;
    std::array<char, 65'536> chunk;
    if (recv(file_, chunk.data(), chunk.size(), 0) <= 0) return true;
  }
}

std::string Get(uint16_t port, std::string_view target, std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}\r\n", target, port, headers);
}

std::optional<Answer> Exchange(uint16_t port, std::string_view bytes) {
  Socket socket(port);
  socket.Send(bytes);
  return socket.Receive();
}

}  // namespace gemel::http
