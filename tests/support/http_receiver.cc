#include "tests/support/http_receiver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include <gtest/gtest.h>

namespace gemel::support {

HttpReply Reply(int status, std::string_view headers, std::string_view body) {
  return {.bytes = "HTTP/1.1 " + std::to_string(status) +
                   " Said\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                   std::string(headers) + "\r\n" + std::string(body)};
}

HttpReceiver::HttpReceiver() : answer_([](const HttpRequest&) { return Reply(200); }) { Listen(); }

HttpReceiver::~HttpReceiver() { Close(); }

std::string HttpReceiver::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

void HttpReceiver::SetAnswer(Answer answer) {
  const std::lock_guard lock(mutex_);
  answer_ = std::move(answer);
}

void HttpReceiver::Listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener_, 64), 0);
  socklen_t size = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

void HttpReceiver::Open() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = false;
  }
  Listen();
}

void HttpReceiver::Close() {
  std::list<Connection> connections;
  {
    const std::lock_guard lock(mutex_);
    if (is_closing_) return;
    is_closing_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const Connection& connection : connections_) ::shutdown(connection.socket, SHUT_RDWR);
  }
  acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const Connection& connection : connections_) ::shutdown(connection.socket, SHUT_RDWR);
    connections = std::move(connections_);
    connections_.clear();
    changed_.notify_all();
  }
  for (Connection& connection : connections) {
    connection.thread.join();
    ::close(connection.socket);
  }
}

void HttpReceiver::Accept() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.socket = socket;
    connection.thread = std::thread([this, socket] { Serve(socket); });
  }
}

void HttpReceiver::Serve(int socket) {
  std::string input;
  HttpRequest request;
  while (ReadRequest(socket, input, request)) {
    Answer answer;
    {
      const std::lock_guard lock(mutex_);
      received_.push_back(request);
      answer = answer_;
    }
    changed_.notify_all();
    const HttpReply reply = answer(request);
    std::string_view left = reply.bytes;
    while (!left.empty()) {
      const ssize_t sent = ::send(socket, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      left.remove_prefix(static_cast<size_t>(sent));
    }
    if (reply.then == HttpReply::Then::kClose) break;
    if (reply.then == HttpReply::Then::kHang) {
      char byte;
      ::recv(socket, &byte, 1, 0);  // until the other side has had enough
      break;
    }
  }
  ::shutdown(socket, SHUT_RDWR);
}

bool HttpReceiver::ReadRequest(int socket, std::string& input, HttpRequest& request) {
  request = {};
  const auto read_more = [&] {
    char buffer[16'384];
    const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
    if (size > 0) input.append(buffer, static_cast<size_t>(size));
    return size > 0;
  };
  size_t head_end = 0;
  while ((head_end = input.find("\r\n\r\n")) == std::string::npos) {
    if (!read_more()) return false;
  }
  size_t at = input.find("\r\n");
  const std::string first = input.substr(0, at);
  request.method = first.substr(0, first.find(' '));
  request.path = first.substr(request.method.size() + 1);
  request.path.resize(std::min(request.path.find(' '), request.path.size()));
  while (at < head_end) {
    const size_t begin = at + 2;
    at = input.find("\r\n", begin);
    const std::string line = input.substr(begin, at - begin);
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = line.substr(std::min(colon + 2, line.size()));
  }
  size_t body = 0;
  const std::string& length = request.headers["content-length"];
  std::from_chars(length.data(), length.data() + length.size(), body);
  input.erase(0, head_end + 4);
  while (input.size() < body) {
    if (!read_more()) return false;
  }
  request.body = input.substr(0, body);
  input.erase(0, body);
  return true;
}

std::vector<HttpRequest> HttpReceiver::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

bool HttpReceiver::Await(const std::function<bool(const std::vector<HttpRequest>&)>& is_so,
                         std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return is_so(received_); });
}

bool HttpReceiver::AwaitCount(size_t count) const {
  return Await([&](const auto& received) { return received.size() >= count; });
}

}  // namespace gemel::support
