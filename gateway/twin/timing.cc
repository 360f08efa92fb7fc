// The part of the engine that has to do with timers.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <tuple>

#include "gateway/base/assert.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {
namespace {

constexpr size_t kTakenAtOnce = 1'024;

// When a recurring timer is due again: what it has missed, while the gateway was away, it fires
// once.
Time NextDue(const Timer& timer, Time now) {
  const int64_t missed = std::max<int64_t>(0, (now - timer.due) / timer.every);
  return timer.due + (missed + 1) * timer.every;
}

// A timer of zero is due at the next millisecond, and so always after its cause.
Time DueAfter(Time now, Duration after) {
  const Time next =
      std::chrono::floor<std::chrono::milliseconds>(now) + std::chrono::milliseconds(1);
  return std::max(now + after, next);
}

}  // namespace

void Engine::TakeDue(Time now, size_t most, std::vector<journal::Record>& due) {
  due_.clear();
  timers_.TakeDue(now, most, due_);
  for (const Timers::Due& taken : due_) {
    const Twin* const twin = tables_[taken.model]->At(taken.slot);
    GEMEL_ASSERT(twin != nullptr);
    const Timer timer = timers_.At(taken.timer);
    if (timer.is_of_model()) {
      due.push_back({.kind = journal::RecordKind::kTimer,
                     .model = taken.model,
                     .key_hash = twin->key_hash(),
                     .event_time = timer.due,
                     .cause = timer.cause,
                     .id = twin->id(),
                     .payload = world_.timer_names->TextOf(timer.name)});
    } else if (timer.name == Timer::kCommands) {
      due.push_back({.kind = journal::RecordKind::kCommandsDue,
                     .model = taken.model,
                     .key_hash = twin->key_hash(),
                     .event_time = timer.due,
                     .cause = {twin->applied_lsn, 0},
                     .id = twin->id()});
    } else if (IsSilent(taken, *twin, now)) {
      due.push_back({.kind = journal::RecordKind::kSilent,
                     .model = taken.model,
                     .key_hash = twin->key_hash(),
                     .event_time = twin->last_telemetry,
                     .cause = {twin->applied_lsn, 0},
                     .id = twin->id()});
    }
  }
}

std::vector<journal::OwnedRecord> Engine::TakeAllDue(Time now) {
  std::vector<journal::Record> some;
  std::vector<journal::OwnedRecord> all;
  do {
    some.clear();
    TakeDue(now, kTakenAtOnce, some);
    for (const journal::Record& record : some) all.emplace_back(record);
  } while (timers_.DueFrom().value_or(Time::max()) <= now);
  return all;
}

bool ComesBefore(const journal::OwnedRecord& first, const journal::OwnedRecord& second) {
  const auto order = [](const journal::Record& record) {
    return std::tuple(record.event_time, record.cause.lsn, record.cause.ordinal);
  };
  return order(first.view()) < order(second.view());
}

void Engine::PutBack() {
  for (const Timers::Due& taken : due_) {
    const Timer timer = timers_.At(taken.timer);
    timers_.Rearm(taken.timer, timer.due, timer.cause);
  }
  due_.clear();
}

void Engine::ApplyTimer(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  const std::optional<Symbol> name = call_.KnownTimer(record.payload());
  const Timers::Handle handle = name ? timers_.Find(*twin, *name) : Timers::kNone;
  // Between the record's being written and its turn the timer may have been cancelled or set anew.
  if (handle == Timers::kNone) return;
  const Timer timer = timers_.At(handle);
  if (timer.cause != record.cause()) return;

  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  if (timer.every == Duration::zero()) {
    timers_.Disarm(*twin, handle);
  } else {
    timers_.Rearm(handle, NextDue(timer, record.record_time()), {record.lsn(), derived_++});
  }
  if (record.kind() == journal::RecordKind::kTimerMissed) return;
  ModelStats& stats = *stats_[record.model()];
  const Route* const route = ReplyRoute(record.model(), *twin);
  if (!RunTimer(record, *twin, route)) {
    stats.failed.Add();
    Undo(record, *twin, false);
    Refuse(record, {Refusal::kModelFailed, call_.failure()});
    return;
  }
  stats.timers_fired.Add();
  CountDropped(stats);
  if (!call_.is_empty()) Commit(record, route, *twin);
}

bool Engine::RunTimer(const journal::RecordView& record, Twin& twin, const Route* route) {
  const model::Model& model = *world_.models[record.model()].model;
  std::memcpy(undo_.data(), twin.state(), model.state_size());
  call_.Begin({&model, &twin, &timers_, record.lsn(), record.record_time(), route != nullptr});
  if (!model.has_timers()) return true;  // it had, when the timer was set
  const uint64_t started = Ticks();
  const bool is_done =
      model.OnTimer(twin.state(), record.payload(), call_.context(), call_.failure());
  stats_[record.model()]->model_ticks.Add(Ticks() - started);
  return is_done;
}

const Route* Engine::ReplyRoute(uint16_t model, const Twin& twin) const {
  const Route* first = nullptr;
  twin.ForEachSeen([&](uint16_t number, Time) {
    const Route& route = world_.routes[number];
    if (route.model == model && route.command && (first == nullptr || &route < first))
      first = &route;
  });
  return first;
}

void Engine::CommitTimer(const journal::RecordView& record, Twin& twin, const Intent& intent) {
  const Timers::Handle armed = timers_.Find(twin, intent.timer);
  if (armed != Timers::kNone) timers_.Disarm(twin, armed);
  if (intent.kind == Intent::Kind::kCancelTimer) return;
  timers_.Arm(twin, record.model(),
              {.name = intent.timer,
               .due = DueAfter(record.record_time(), intent.after),
               .every = intent.every,
               .cause = {record.lsn(), derived_++}});
}

}  // namespace gemel::twin
