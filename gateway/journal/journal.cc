#include "gateway/journal/journal.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "gateway/base/crash_point.h"

namespace gemel::journal {
namespace {

// How soon a disk that was full is asked again.
constexpr std::chrono::milliseconds kReserveEvery{500};

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(JournalOptions options, JournalEnd end) {
  GEMEL_TRY_LET(SegmentWriter first, SegmentWriter::Reserve(options.folder, options.segment_bytes));
  std::unique_ptr<Journal> journal(new Journal(std::move(options)));
  journal->end_ = end;
  journal->spare_ = std::make_unique<SegmentWriter>(std::move(first));
  journal->has_spare_.store(true);
  journal->keeper_ = std::jthread([raw = journal.get()](const std::stop_token& stop) {
    pthread_setname_np(pthread_self(), "gemel-journal");
    raw->Keep(stop);
  });
  return journal;
}

Journal::~Journal() {
  keeper_.request_stop();
  keeper_.join();
  if (current_ != nullptr && !has_failed_) current_->Trim();
}

Status Journal::Append(Lsn first, Time time, std::span<std::byte> frame) {
  if (has_failed_.load(std::memory_order_relaxed)) return Unavailable(failure());
  const size_t body = frame.size() - kFrameHeadBytes;
  if (!HasRoomFor(body)) GEMEL_TRY(Rotate(first, time));
  if (Status status = current_->Append(first, synced(), frame); !status.ok())
    return Fail(std::move(status));
  end_.frame = first;
  appended_bytes_.store(appended_bytes() + frame.size(), std::memory_order_relaxed);
  appended_.store(first, std::memory_order_release);
  if (options_.sync_every != std::chrono::milliseconds(0)) return Status::Ok();
  return Sync();
}

Status Journal::Rotate(Lsn first, Time time) {
  std::unique_ptr<SegmentWriter> next;
  {
    const std::lock_guard lock(mutex_);
    next = std::move(spare_);
  }
  if (next == nullptr) {
    return {Code::kFull, "the journal's segment is full and no other could be reserved"};
  }
  CrashPoint("journal.rotating");
  Status status = next->Begin(
      {.first = first, .previous = end_.segment, .previous_last = end_.frame, .created = time});
  if (!status.ok()) return Fail(std::move(status));
  current_ = std::move(next);
  end_.segment = first;
  {
    const std::lock_guard lock(mutex_);
    unsynced_.push_back(current_);
    has_spare_.store(false);  // not before: the next one gets the name that this one had
  }
  changed_.notify_one();
  return Status::Ok();
}

void Journal::Keep(const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  const bool is_syncing = options_.sync_every && options_.sync_every->count() > 0;
  auto next_sync = Clock::now();
  while (!stop.stop_requested() && !has_failed_) {
    if (!has_spare_) ReserveSpare();
    if (is_syncing && Clock::now() >= next_sync) {
      // From its beginning on, because what is appended during a sync waits for the next one.
      next_sync = Clock::now() + *options_.sync_every;
      if (!SyncSegments().ok()) return;
    }
    std::unique_lock lock(mutex_);
    const auto soon = Clock::now() + kReserveEvery;
    const auto until = is_syncing ? std::min(next_sync, soon) : soon;
    changed_.wait_until(lock, stop, until,
                        [this] { return !has_spare_ && spare_failure_.empty(); });
  }
  if (options_.sync_every) static_cast<void>(SyncSegments());  // its failure is kept
}

void Journal::ReserveSpare() {
  Result<SegmentWriter> next = SegmentWriter::Reserve(options_.folder, options_.segment_bytes);
  const std::lock_guard lock(mutex_);
  spare_failure_ = next.ok() ? "" : next.status().message();
  if (!next.ok()) return;
  spare_ = std::make_unique<SegmentWriter>(*std::move(next));
  has_spare_.store(true);
}

Status Journal::spare_failure() const {
  const std::lock_guard lock(mutex_);
  return spare_failure_.empty() ? Status::Ok() : Unavailable(spare_failure_);
}

Status Journal::Sync() {
  if (has_failed_.load(std::memory_order_relaxed)) return Unavailable(failure());
  return SyncSegments();
}

Status Journal::SyncSegments() {
  const std::lock_guard sync_lock(sync_mutex_);
  const Lsn through = appended();
  if (through == synced()) return Status::Ok();
  std::vector<std::shared_ptr<SegmentWriter>> segments;
  {
    const std::lock_guard lock(mutex_);
    segments = unsynced_;
  }
  for (const auto& segment : segments) {
    if (Status status = segment->Sync(); !status.ok()) return Fail(std::move(status));
  }
  {
    // What was present when the sync began may have been filled since, and is synced once more.
    const std::lock_guard lock(mutex_);
    unsynced_.erase(unsynced_.begin(),
                    unsynced_.begin() + static_cast<std::ptrdiff_t>(segments.size()) - 1);
  }
  synced_.store(through, std::memory_order_release);
  return Status::Ok();
}

// Keeps the first failure, for everybody from then on.
Status Journal::Fail(Status status) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = status.message();
  }
  has_failed_.store(true);
  return Unavailable(failure());
}

std::string Journal::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace gemel::journal
