#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "gateway/base/stats.h"
#include "gateway/base/status.h"
#include "gateway/store/store.h"

namespace gemel::store {

struct SnapshotOptions {
  // Less often where a snapshot costs so much that a fifth of a core would not do.
  std::chrono::milliseconds every{1'000};
  // Called on the store's thread after each snapshot that the disk holds for good: records up to
  // this checkpoint are not needed any more.
  std::function<void(Lsn checkpoint)> on_durable;
};

// The store's thread: takes a snapshot every now and then, and a last one at the end. A failure is
// said, kept in failure(), and everything is saved at the next attempt.
class Snapshots {
 public:
  // Everything outlives it.
  Snapshots(Store& store, Store::Sources sources, SnapshotOptions options);
  ~Snapshots();

  // Takes a last snapshot. REQUIRES: the shards have not ended
  void Stop();

  // Any thread. Why the last snapshot failed; empty if it did not.
  std::string failure() const;
  uint64_t taken() const { return taken_.value(); }
  uint64_t twins_saved() const { return twins_.value(); }
  // Since the last one that succeeded, or since the start.
  std::chrono::nanoseconds age() const;
  std::chrono::nanoseconds last_duration() const {
    return std::chrono::nanoseconds(duration_.load(std::memory_order_relaxed));
  }

 private:
  void Run(const std::stop_token& stop);
  void Take(bool is_durable);

  Store& store_;
  const Store::Sources sources_;
  const SnapshotOptions options_;
  Counter taken_;
  Counter twins_;
  std::atomic<int64_t> taken_at_;  // of steady time
  std::atomic<int64_t> duration_{0};
  std::chrono::steady_clock::time_point durable_at_{};
  mutable std::mutex mutex_;  // of failure_, which HTTP reads
  std::string failure_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace gemel::store
