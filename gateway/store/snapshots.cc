#include "gateway/store/snapshots.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>

#include "gateway/base/log.h"

namespace gemel::store {
namespace {

using Steady = std::chrono::steady_clock;

// How often SQLite's log is written back and synced, so that the journal can be let go. A snapshot
// by itself only has to survive the end of the process.
constexpr std::chrono::seconds kDurableEvery{10};

// The store rests so many times what a snapshot took of a core: where all twins change all the time
// the cores are for messages, and the journal has what the last snapshot has not.
constexpr int kRest = 4;

std::chrono::nanoseconds ThreadCpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

int64_t Now() { return Steady::now().time_since_epoch().count(); }

}  // namespace

Snapshots::Snapshots(Store& store, Store::Sources sources, SnapshotOptions options)
    : store_(store),
      sources_(std::move(sources)),
      options_(std::move(options)),
      taken_at_(Now()),
      thread_([this](const std::stop_token& stop) {
        pthread_setname_np(pthread_self(), "gemel-store");
        Run(stop);
      }) {}

Snapshots::~Snapshots() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Snapshots::Stop() {
  thread_.request_stop();
  thread_.join();
  Take(true);
}

std::string Snapshots::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::chrono::nanoseconds Snapshots::age() const {
  return std::chrono::nanoseconds(Now() - taken_at_.load(std::memory_order_relaxed));
}

void Snapshots::Run(const std::stop_token& stop) {
  std::chrono::nanoseconds cost{0};
  while (true) {
    {
      const auto rest = std::max<std::chrono::nanoseconds>(options_.every, kRest * cost);
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, stop, rest, [] { return false; });
    }
    if (stop.stop_requested()) return;
    const auto before = ThreadCpu();
    Take(Steady::now() - durable_at_ >= kDurableEvery);
    cost = ThreadCpu() - before;
  }
}

void Snapshots::Take(bool is_durable) {
  const auto begin = Steady::now();
  const Result<Saved> saved = store_.Save(sources_);
  Status status;
  if (!saved.ok()) {
    status = {saved.status().code(), saved.status().message()};
  } else if (is_durable) {
    Result<bool> checkpoint = store_.Checkpoint();
    is_durable = checkpoint.ok() && *checkpoint;
    status = std::move(checkpoint).status();
    durable_at_ = Steady::now();
  }
  const std::string before = failure();
  if (!status.ok() && before.empty())
    log::Warning("snapshot=failed because={}", log::Quoted(status.message()));
  if (status.ok() && !before.empty()) log::Info("snapshot=taken");
  {
    const std::lock_guard lock(mutex_);
    failure_ = status.message();
  }
  if (!saved.ok()) return;
  duration_.store((Steady::now() - begin).count(), std::memory_order_relaxed);
  taken_at_.store(Now(), std::memory_order_relaxed);
  taken_.Add();
  twins_.Add(saved->twins);
  if (is_durable && status.ok() && options_.on_durable) options_.on_durable(saved->checkpoint);
}

}  // namespace gemel::store
