#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/scenario/gateway_process.h"
#include "tests/support/raw_client.h"
#include "tests/support/tail.h"

namespace gemel::scenario {

// Devices that number their messages, and what proves that none was lost and none applied twice.

inline constexpr int64_t kDevices = 100;
// As much as keeps the gateway busy and lets it catch up, which sanitizers slow down.
#if defined(__SANITIZE_THREAD__)
inline constexpr int64_t kBusyPerSecond = 500;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr int64_t kBusyPerSecond = 1'500;
#else
inline constexpr int64_t kBusyPerSecond = 4'000;
#endif
std::string DeviceOf(int64_t number);

// The value of an environment variable, or `otherwise`.
int64_t FromEnvironment(const char* name, int64_t otherwise);

// Publishes scenario/wa/<device>/in with {"n": 1}, 2, 3 and so on at QoS 1, a device after the
// other, until told to end. A connection that is lost is made again, and what the broker has not
// acknowledged is sent again, as a device does it.
class NumberedLoad {
 public:
  NumberedLoad(uint16_t port, int64_t per_second);
  ~NumberedLoad() { End(); }
  // Returns the highest number, once the broker has acknowledged all.
  int64_t End();
  int64_t sent() const { return sent_; }
  int64_t connections() const { return connections_; }

 private:
  void Run();
  // Until all is sent, or the connection is lost.
  void Send(support::RawClient& client);
  void Publish(support::RawClient& client, int64_t number);

  const uint16_t port_;
  const int64_t per_second_;
  std::atomic<int64_t> sent_{0};
  std::atomic<int64_t> connections_{0};
  std::atomic<bool> is_ending_{false};
  // Its thread only.
  std::chrono::steady_clock::time_point begin_;
  std::map<uint16_t, int64_t> in_flight_;  // by packet id
  std::vector<int64_t> again_;             // not acknowledged on the last connection, in order
  std::thread thread_;
};

// What came on the command topics.
class Answers {
 public:
  void Take(const std::vector<support::Seen>& seen);
  // Waits for an answer to each of so many numbers, as long as some come: a gateway that was killed
  // often has many to send.
  void AwaitAll(support::Tail& commands, int64_t wanted);

  int64_t numbers() const { return static_cast<int64_t>(ids_.size()); }
  // Numbers that were answered under more than one id.
  int64_t doubled() const;
  int64_t changed() const { return changed_; }    // ids that came with two contents or topics
  int64_t repeated() const { return repeated_; }  // the same under the same id

 private:
  size_t taken_ = 0;
  std::map<std::string, std::string> texts_;
  std::map<int64_t, int> ids_;
  int64_t changed_ = 0;
  int64_t repeated_ = 0;
};

// Each twin of the echo model against the numbers that its device has sent.
struct Comparison {
  int64_t lost = 0;
  int64_t applied_twice = 0;
  int64_t wrong_sums = 0;
};
Comparison CompareTwins(const GatewayProcess& gateway, int64_t published);
Comparison CompareTwins(const GatewayProcess& gateway, const std::set<int64_t>& numbers);

}  // namespace gemel::scenario
