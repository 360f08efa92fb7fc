#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "gateway/base/status.h"

namespace gemel {

// Decides whether messages may come: while something is in the way (no room on the disk, too much
// to be applied or sent) the receiver is disconnected, its session kept by the broker, so that
// nobody waits inside the MQTT library. What is on its way at that moment is still taken.
class Admission {
 public:
  struct Hooks {
    std::function<std::string()> why_held;  // empty: messages may come
    std::function<void()> stop;             // the receiver
    std::function<Status()> start;
  };
  // REQUIRES: the receiver is started. The hooks are called on a thread of its own.
  explicit Admission(Hooks hooks);
  // The receiver stays as it is.
  ~Admission();

  // Any thread: why the receiver is held; empty if it is not.
  std::string why_held() const;

 private:
  void Run(const std::stop_token& stop);
  void Look();

  const Hooks hooks_;
  std::string failed_;        // why the last start did
  mutable std::mutex mutex_;  // of why_, which HTTP reads
  std::string why_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace gemel
