#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "gateway/base/mailbox.h"
#include "gateway/base/parker.h"
#include "gateway/base/stats.h"
#include "gateway/journal/cursor.h"
#include "gateway/journal/sequencer.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {

// An engine and its thread, which applies the records of a mailbox in order and, between them, runs
// requests of other threads in short slices. It waits for no request. While the thread sleeps,
// whoever appends a record may apply it, so that a device's answer need not wait for a thread to
// wake.
class Shard final : public journal::Turn {
 public:
  // A slice of a request, run on the shard thread: returns true when the request is done. It should
  // take about 100 us, because messages wait for it.
  using Slice = std::function<bool(Engine& engine)>;

  // `index` among the shards of the sequencer.
  Shard(uint32_t index, const World& world, effects::Sink& sink, size_t mailbox_bytes);
  ~Shard() override;

  journal::ShardInbox inbox() { return {&mailbox_, &parker_, &applied_bytes_, this}; }
  // REQUIRES: the sequencer outlives the thread.
  void Start(journal::Sequencer& sequencer);
  // Applies what is in the mailbox, then ends. REQUIRES: nothing is appended any more.
  void DrainAndStop();

  // Any thread. Where turns would take more than an eighth of the time, because records come close
  // together or their model is slow, they are left to the shard's own thread for a while: whoever
  // takes them has other work to do. REQUIRES: started
  bool TryTake(journal::Sequencer& sequencer) override;

  // Any thread. Whether timers fire when they are due by record time; not before somebody says so,
  // because a journal that is replayed holds those that did.
  void SetTiming(bool is_timing);

  // What becomes of records that twins cause: until it is live they are handed over, on the thread
  // that applies, or dropped where nobody wants them; then they are appended, each before the next
  // record is applied. REQUIRES: live only once a journal is attached, while nothing is on its way;
  // SetOnSent on the thread that applies, in a slice, or before the start
  using OnSent = std::function<void(const std::vector<journal::OwnedRecord>& records)>;
  void SetOnSent(OnSent on_sent) { on_sent_ = std::move(on_sent); }
  void GoLive() { is_live_.store(true, std::memory_order_release); }

  // Any thread. Slices run in turn with messages; requests in the order they were asked. False once
  // the shard has ended: the slice never runs then.
  bool Ask(Slice slice);

  // REQUIRES: not started
  Engine& idle_engine() { return engine_; }
  // Applies what is in the mailbox on the calling thread. REQUIRES: not started, no journal
  void ApplyIdle(journal::Sequencer& sequencer) {
    while (ApplySome(sequencer)) {
    }
  }
  // In a slice: whether all that was appended before is applied.
  bool has_caught_up(const journal::Sequencer& sequencer) const {
    return !sequencer.IsBehind(index_) && mailbox_.is_empty();
  }
  // For counters only: other state belongs to whoever has the turn.
  const Engine& engine() const { return engine_; }
  size_t bytes_waiting() const { return mailbox_.bytes_waiting(); }

 private:
  void Run(journal::Sequencer& sequencer);
  // True if there was something to do.
  bool ApplySome(journal::Sequencer& sequencer);
  bool FillBatch();
  void ReleaseBatch(journal::Sequencer& sequencer);
  // False if the records that the last one has caused find no room now: nothing is applied before.
  bool PassOnSent(journal::Sequencer& sequencer);
  bool AppendSent(journal::Sequencer& sequencer);
  // The same, and waits for room.
  void AwaitPassedOn(journal::Sequencer& sequencer);
  // Applies records that the journal holds and the mailbox had no room for. REQUIRES: behind
  void ReadOn(journal::Sequencer& sequencer);
  void ApplyFrame(const journal::Frame& frame, journal::Sequencer& sequencer);
  bool RunSlice();
  // Appends records of timers that are due. False if there were none, or no room for them.
  bool FireDue(journal::Sequencer& sequencer);
  // How long the thread may sleep.
  std::optional<std::chrono::nanoseconds> UntilDue(const journal::Sequencer& sequencer) const;
  std::optional<Time> DueFrom() const {
    return is_timing_.load(std::memory_order_relaxed) ? engine_.timers().DueFrom() : std::nullopt;
  }
  // Takes no more requests. False if there is one that must be answered first.
  bool Close();
  bool HasWork(const journal::Sequencer& sequencer) const {
    return !mailbox_.is_empty() || sequencer.IsBehind(index_) || next_ < count_ || !sent_.empty() ||
           has_requests_.load(std::memory_order_acquire);
  }

  const uint32_t index_;

  // Any thread.
  Mailbox mailbox_;
  Parker parker_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> has_requests_{false};
  std::atomic<bool> is_timing_{false};
  std::atomic<bool> is_live_{false};
  OnSent on_sent_;
  // A lock, because requests come from several threads and are rare; held for a push or a pop.
  std::mutex requests_mutex_;
  std::deque<Slice> requests_;
  bool is_closed_ = false;
  Counter applied_bytes_;
  // Held by the thread while it is awake, and by another one for a turn: nobody waits for it but
  // the thread that wakes. All that follows goes with it.
  std::mutex turn_;
  Engine engine_;
  // Records looked at together, so that the memory of later ones is fetched while earlier ones run.
  static constexpr size_t kBatch = 16;
  std::array<std::span<std::byte>, kBatch> batch_;
  size_t next_ = 0;  // of the batch
  size_t count_ = 0;
  std::vector<journal::OwnedRecord> sent_;  // that have found no room yet
  size_t held_bytes_ = 0;                   // of the record that caused them
  std::vector<journal::Record> due_;
  // When the thread wakes by itself: whoever arms an earlier timer must wake it.
  Time sleeps_until_ = Time::max();
  // While timers that are due find no room.
  std::chrono::steady_clock::time_point timers_held_until_;
  std::optional<journal::Cursor> cursor_;  // while it is behind
  journal::JournalPlace journal_end_;      // as it was when last asked for
  // By how much turns of others were longer than they should be, when the last one began, and from
  // when on there are more.
  std::chrono::nanoseconds overdrawn_{0};
  std::chrono::steady_clock::time_point last_turn_;
  std::chrono::steady_clock::time_point turns_from_;
  std::jthread thread_;
};

}  // namespace gemel::twin
