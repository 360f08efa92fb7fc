#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "tests/support/broker.h"
#include "tests/support/process.h"

namespace gemel::support {

// What a subscriber saw of one message.
struct Seen {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool is_retained = false;
};

// An independent subscriber: mosquitto_sub with QoS 1, none of our code and none of Paho's. Keeps
// all that it saw, in order; subscribes again by itself when the broker comes back.
//
//   Tail alerts(broker, {"gemel/alerts/#"});
//   EXPECT_TRUE(alerts.WaitFor([](const auto& seen) { return seen.size() == 2; }));
class Tail {
 public:
  // Returns when it is subscribed; what is published from then on is seen. A broker that doesn't
  // answer is a failure of the test. `arguments` are more options of mosquitto_sub.
  Tail(const Broker& broker, const std::vector<std::string>& filters,
       const std::vector<std::string>& arguments = {});

  // Reads until `is_enough` says so of all that was seen; false when time is up first.
  bool WaitFor(const std::function<bool(const std::vector<Seen>&)>& is_enough,
               std::chrono::milliseconds patience = kPatience);
  bool WaitForCount(size_t count, std::chrono::milliseconds patience = kPatience);

  // What the waits have read so far.
  const std::vector<Seen>& seen() const { return seen_; }
  // Those whose topic is `topic`.
  std::vector<Seen> SeenOn(std::string_view topic) const;

 private:
  Process process_;
  std::vector<Seen> seen_;
};

struct PublishOptions {
  int qos = 1;
  bool is_retained = false;
};

// Publishes one message with mosquitto_pub and returns when the broker has acknowledged it (QoS 1).
Status Publish(const Broker& broker, std::string_view topic, std::string_view payload,
               PublishOptions options = {});

}  // namespace gemel::support
