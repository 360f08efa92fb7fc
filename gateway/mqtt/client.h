#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

// All that the gateway sees of MQTT. Two implementations: Paho (paho_receiver.h, paho_publisher.h)
// and one for tests that replays bytes without a broker (fake.h).
namespace gemel::mqtt {

enum class Version : uint8_t { k311, k5 };

// How to reach the broker; the same for every client of the process but for its id.
struct Connection {
  std::string uri;  // mqtt://host:port or mqtts://host:port
  std::string client_id;
  Version version = Version::k5;
  std::chrono::seconds keepalive{60};
  std::chrono::seconds session_expiry{7 * 24 * 3600};  // the receiver's; above 0, below 2^31
  uint16_t receive_maximum = 100;
  std::string username;
  std::string password;
  std::string ca_file;           // PEM; empty: the system's
  std::string certificate_file;  // PEM; empty: no client certificate
  std::string key_file;
  bool verify_server = true;  // chain and host name
  std::chrono::milliseconds reconnect_min{100};
  std::chrono::milliseconds reconnect_max{10'000};
};

struct Subscription {
  std::string filter;
  int qos = 1;
  // Refused by the broker it is a warning in the log, and the others are received all the same.
  bool is_optional = false;
};

// One message as it came. The views live only while the handler runs.
struct Inbound {
  std::string_view topic;
  std::string_view payload;
  int qos = 0;
  bool is_retained = false;
  bool is_duplicate = false;
};

// Called on the receiving thread, one call at a time, before the broker is told that the message
// is safe. It must not wait longer than a quarter of the keepalive and must not throw.
using MessageHandler = std::function<void(const Inbound&)>;
// Called when the connection comes (true: connected *and* subscribed to all that is not optional)
// or goes, and when the reason why there is none changes; not for every attempt. Any thread, one
// call at a time. Must not wait for the receiver's Stop, nor throw.
using StateHandler = std::function<void(bool is_receiving, std::string_view why)>;

// The persistent session that brings telemetry. Owns its threads; reconnects with capped backoff
// and subscribes again at every connect.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Returns once the first attempt has been started; the broker may come later. Invalid if the
  // options can't be used (URI, TLS files).
  virtual Status Start(std::vector<Subscription> subscriptions, MessageHandler on_message,
                       StateHandler on_state) = 0;
  // Disconnects; the session stays at the broker. When it returns no handler runs or will run.
  // Waits for a handler that runs, so never call it from one. Start may be called again.
  virtual void Stop() = 0;
  virtual bool is_receiving() const = 0;
};

struct Outbound {
  std::string topic;
  std::string payload;
  int qos = 1;
  bool is_retained = false;
  std::optional<std::chrono::seconds> expiry;  // MQTT 5 message expiry interval
};

// Sends what the gateway says. Used by one thread at a time (the effects thread), never waits for
// the broker to acknowledge. A connection of its own: `<client_id>-pub`, clean start, last will.
class Publisher {
 public:
  using Token = uint64_t;
  virtual ~Publisher() = default;
  // One attempt to connect; takes seconds if nobody answers. Ok when connected. After a failure or
  // a loss, call it again. Invalid if the options can't be used, Unavailable with the reason
  // otherwise.
  virtual Status Connect() = 0;
  // Any thread.
  virtual bool is_connected() const = 0;
  // Hands one message to the connection. kFull when as many are in flight as the window allows:
  // call Acknowledged and try again. kUnavailable when not connected. Tokens are unique in the
  // publisher's life; after a reconnect earlier ones are never acknowledged: send again. Invalid if
  // this message can't ever be sent: its topic, or larger than the broker takes.
  virtual Result<Token> Publish(const Outbound& message) = 0;
  // Appends the tokens that the broker acknowledged since the last call, waits at most `wait` for
  // the first one, and not at all when nothing is in flight. QoS 0 messages are acknowledged when
  // they were handed over. What the broker answered with a failure (MQTT 5) counts as acknowledged,
  // because it would answer the same again.
  virtual void Acknowledged(std::vector<Token>& tokens, std::chrono::milliseconds wait) = 0;
  // Waits a moment for what is in flight and sends DISCONNECT so that the will is not published.
  virtual void Disconnect() = 0;
  // Messages that the broker answered with a failure: not authorized, over a quota. Any thread.
  virtual uint64_t refused_total() const { return 0; }
};

}  // namespace gemel::mqtt
