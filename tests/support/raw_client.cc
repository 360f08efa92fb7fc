#include "tests/support/raw_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "gateway/base/assert.h"
#include "tests/support/process.h"

namespace gemel::support {
namespace {

// MQTT 3.1.1, table 2.1: the type is the upper half of the first byte.
enum : uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kSubscribe = 8,
  kSuback = 9
};
constexpr size_t kGatherBytes = 64 * 1'024;

void AppendNumber(uint16_t number, std::string& out) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xFF);
}

uint16_t NumberAt(std::string_view text, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(text[at]) << 8 |
                               static_cast<uint8_t>(text[at + 1]));
}

void AppendText(std::string_view text, std::string& out) {
  AppendNumber(static_cast<uint16_t>(text.size()), out);
  out += text;
}

// Section 2.2.3: seven bits a byte, the lowest first.
void AppendHead(uint8_t first, size_t size, std::string& out) {
  out += static_cast<char>(first);
  do {
    const size_t low = size & 0x7F;
    size >>= 7;
    out += static_cast<char>(low | (size > 0 ? 0x80 : 0));
  } while (size > 0);
}

}  // namespace

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
}

Status RawClient::Connect(uint16_t port, const std::string& client_id) {
  return Open(port, client_id, true, {});
}

Status RawClient::Resume(uint16_t port, const std::string& client_id, const OnMessage& on_message) {
  return Open(port, client_id, false, on_message);
}

Status RawClient::Open(uint16_t port, const std::string& client_id, bool is_clean,
                       const OnMessage& on_message) {
  GEMEL_ASSERT(socket_ < 0);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Unavailable("no broker on port " + std::to_string(port));
  }
  std::string body;
  AppendText("MQTT", body);
  body += {4, static_cast<char>(is_clean ? 2 : 0)};  // protocol level, flags
  AppendNumber(60, body);                            // keepalive, in seconds
  AppendText(client_id, body);
  AppendHead(kConnect << 4, body.size(), out_);
  out_ += body;
  return Await(kConnack, on_message);
}

Status RawClient::Subscribe(const std::string& filter, int qos) {
  AppendHead(kSubscribe << 4 | 2, 2 + 2 + filter.size() + 1, out_);
  AppendNumber(1, out_);
  AppendText(filter, out_);
  out_ += static_cast<char>(qos);
  return Await(kSuback);
}

Status RawClient::Await(uint8_t packet_type, const OnMessage& on_message) {
  GEMEL_TRY(Send());
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    pollfd ready{socket_, POLLIN, 0};
    ::poll(&ready, 1, 100);
    GEMEL_TRY(Receive());
    if ((TakePackets(on_message) >> packet_type & 1) != 0) return Status::Ok();
  }
  return Unavailable("the broker does not answer");
}

uint16_t RawClient::Publish(std::string_view topic, std::string_view payload) {
  AppendHead(kPublish << 4 | 2, 2 + topic.size() + 2 + payload.size(), out_);
  AppendText(topic, out_);
  if (++last_packet_id_ == 0) last_packet_id_ = 1;
  AppendNumber(last_packet_id_, out_);
  out_ += payload;
  ++in_flight_;
  return last_packet_id_;
}

Status RawClient::Pump(std::chrono::nanoseconds wait, const OnMessage& on_message) {
  GEMEL_TRY(Send());
  pollfd ready{socket_, POLLIN, 0};
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  if (::ppoll(&ready, 1, &timeout, nullptr) <= 0) return Status::Ok();
  GEMEL_TRY(Receive());
  TakePackets(on_message);
  return out_.size() > kGatherBytes ? Send() : Status::Ok();
}

Status RawClient::Send() {
  size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t size = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return Unavailable("the broker has closed the connection");
    sent += static_cast<size_t>(size);
  }
  out_.clear();
  return Status::Ok();
}

Status RawClient::Receive() {
  const size_t had = in_.size();
  in_.resize(had + kGatherBytes);
  const ssize_t size = ::recv(socket_, in_.data() + had, kGatherBytes, MSG_DONTWAIT);
  in_.resize(had + static_cast<size_t>(size > 0 ? size : 0));
  if (size == 0) return Unavailable("the broker has closed the connection");
  return Status::Ok();
}

uint32_t RawClient::TakePackets(const OnMessage& on_message) {
  uint32_t types = 0;
  size_t at = 0;
  while (in_.size() - at >= 2) {
    size_t size = 0;
    size_t head = 1;
    bool is_more = true;
    for (unsigned shift = 0; is_more && at + head < in_.size(); ++head, shift += 7) {
      const auto byte = static_cast<uint8_t>(in_[at + head]);
      size |= size_t{byte & 0x7FU} << shift;
      is_more = (byte & 0x80) != 0;
    }
    if (is_more || in_.size() - at < head + size) break;
    const auto first = static_cast<uint8_t>(in_[at]);
    Take(first, std::string_view(in_).substr(at + head, size), on_message);
    types |= uint32_t{1} << (first >> 4);
    at += head + size;
  }
  in_.erase(0, at);
  return types;
}

void RawClient::Take(uint8_t first, std::string_view body, const OnMessage& on_message) {
  if (first >> 4 == kPuback) {
    --in_flight_;
    if (on_acknowledged_) on_acknowledged_(NumberAt(body, 0));
  }
  if (first >> 4 != kPublish) return;
  const size_t topic_size = NumberAt(body, 0);
  const std::string_view topic = body.substr(2, topic_size);
  body.remove_prefix(2 + topic_size);
  if ((first & 6) != 0) {
    AppendHead(kPuback << 4, 2, out_);
    out_ += body.substr(0, 2);
    body.remove_prefix(2);
  }
  if (on_message) on_message(topic, body);
}

}  // namespace gemel::support
