#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

namespace gemel {

// After a start: what devices said meanwhile, which the broker has kept for the session. Timers
// wait for it, because it may have cancelled them. What the gateway says of itself when it receives
// comes back to it behind all that.
class BrokerBacklog {
 public:
  // How many messages have come so far. Called now and then, on a thread of its own.
  using Heard = std::function<uint64_t()>;
  // Calls `on_over` once, on that thread, when it is in; or, because a broker that is away, or that
  // does not let the gateway read its own status, must not hold timers for ever, when none has come
  // for `patience`, or ten times as long is over.
  BrokerBacklog(std::chrono::milliseconds patience, Heard heard, std::function<void()> on_over);
  // If it is not over yet, it never will be.
  ~BrokerBacklog();

  // Any thread: the gateway receives since then and is about to say so.
  void Begin(int64_t since_ms);
  // Any thread: what the broker brings of the status topic, perhaps of another start.
  void OnStatus(std::string_view json);

 private:
  // Returns when it is over, or nobody wants to know any more.
  void Await(const std::stop_token& stop, std::chrono::milliseconds patience);

  const Heard heard_;
  const std::function<void()> on_over_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<int64_t> since_ms_;
  bool is_in_ = false;
  std::jthread thread_;
};

}  // namespace gemel
