#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/base/status.h"

namespace gemel::support {

// A client of MQTT 3.1.1 on a bare socket, for load and for round trips: it costs a fraction of
// what a library does, so that what is measured is the other side. One thread.
class RawClient {
 public:
  // What a message of a subscription said; views into the receive buffer.
  using OnMessage = std::function<void(std::string_view topic, std::string_view payload)>;
  // The broker has acknowledged what Publish gave this packet id.
  using OnAcknowledged = std::function<void(uint16_t packet_id)>;

  RawClient() = default;
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // A clean session on 127.0.0.1. Unavailable if the broker doesn't answer.
  Status Connect(uint16_t port, const std::string& client_id);
  // The session of this id goes on, and outlives the connection. What the broker has kept for it
  // may come at once.
  Status Resume(uint16_t port, const std::string& client_id, const OnMessage& on_message);
  // Returns when the broker has granted it.
  Status Subscribe(const std::string& filter, int qos);

  // REQUIRES: before the first Publish
  void set_on_acknowledged(OnAcknowledged on_acknowledged) {
    on_acknowledged_ = std::move(on_acknowledged);
  }
  // Queues a message of QoS 1 and gives its packet id; it leaves with the next Pump, or once much
  // has gathered.
  uint16_t Publish(std::string_view topic, std::string_view payload);
  // Sends what is queued and reads what has come: if nothing has, waits at most so long for it.
  // Messages are acknowledged. Unavailable when the connection is gone.
  Status Pump(std::chrono::nanoseconds wait, const OnMessage& on_message = {});
  // Messages published and not acknowledged.
  int64_t in_flight() const { return in_flight_; }

 private:
  Status Open(uint16_t port, const std::string& client_id, bool is_clean,
              const OnMessage& on_message);
  Status Await(uint8_t packet_type, const OnMessage& on_message = {});
  Status Send();
  Status Receive();
  // Takes the whole packets out of what was received; their types, a bit each.
  uint32_t TakePackets(const OnMessage& on_message);
  void Take(uint8_t first, std::string_view body, const OnMessage& on_message);

  int socket_ = -1;
  uint16_t last_packet_id_ = 0;
  int64_t in_flight_ = 0;
  OnAcknowledged on_acknowledged_;
  std::string out_;
  std::string in_;
};

}  // namespace gemel::support
