#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gemel::http {

// A few threads for handlers that wait for shards, so that the thread of the sockets never does.
class Workers {
 public:
  Workers(size_t threads, size_t queue_max);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Any thread. False if the queue is full or Stop was called. The job must not throw.
  bool Post(std::function<void()> job);
  // Runs what is queued, then ends the threads. Called twice it does nothing.
  void Stop();

 private:
  void Run();

  const size_t queue_max_;
  // A lock, because several threads take from one queue; held for a push or a pop.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool is_stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace gemel::http
