// The part of the engine that notices when nothing is heard of a twin.
//
// A twin is looked at when its silence would be too long if nothing came; messages do not move that
// look, which finds out by itself that it came too early. So silence costs a message nothing, and
// what is recorded is only that a twin has fallen silent.

#include <algorithm>

#include <fmt/format.h>

#include "gateway/twin/engine.h"

namespace gemel::twin {
namespace {

std::string InWords(Duration silence) {
  return fmt::format("no telemetry for {} s",
                     std::chrono::duration_cast<std::chrono::seconds>(silence).count());
}

}  // namespace

Duration Engine::OfflineAfter(const Twin& twin) const {
  Duration shortest = Duration::max();
  twin.ForEachSeen([&](uint16_t route, Time) {
    const Duration after = world_.routes[route].offline_after;
    if (after > Duration::zero()) shortest = std::min(shortest, after);
  });
  return shortest == Duration::max() ? Duration::zero() : shortest;
}

void Engine::WatchSilence(uint16_t model, Twin& twin) {
  const Duration after = OfflineAfter(twin);
  const bool is_silent = twin.side() != nullptr && twin.side()->FindAlert(kOfflineCode) != nullptr;
  if (after == Duration::zero() || is_silent || twin.last_telemetry == kNoTime) return;
  const Timers::Handle watched = timers_.Find(twin, Timer::kSilence);
  if (watched != Timers::kNone) timers_.Disarm(twin, watched);
  timers_.Arm(twin, model, {.name = Timer::kSilence, .due = twin.last_telemetry + after});
}

bool Engine::IsSilent(const Timers::Due& due, const Twin& twin, Time now) {
  const Duration after = OfflineAfter(twin);
  const Time since = listens_since_ ? std::max(*listens_since_, twin.last_telemetry) : now;
  if (since + after <= now) return true;
  timers_.Rearm(due.timer, since + after, {});
  return false;
}

void Engine::ApplySilence(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  if (twin->last_telemetry != record.event_time()) {
    WatchSilence(record.model(), *twin);  // something came meanwhile
    return;
  }
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  const Timers::Handle watched = timers_.Find(*twin, Timer::kSilence);
  if (watched != Timers::kNone) timers_.Disarm(*twin, watched);
  Intent intent{.kind = Intent::Kind::kRaise, .severity = GEMEL_WARNING};
  intent.name = kOfflineCode;
  intent.message = InWords(record.record_time() - twin->last_telemetry);
  intent.arguments = fmt::format(
      R"({{"last_ms":{},"offline_after_s":{}}})",
      std::chrono::floor<std::chrono::milliseconds>(twin->last_telemetry.time_since_epoch())
          .count(),
      ToSeconds(OfflineAfter(*twin)));
  CommitRaise(record, *twin, intent);
  sink_.Flush();
}

void Engine::EndSilence(const journal::RecordView& record, Twin& twin) {
  if (twin.side()->FindAlert(kOfflineCode) == nullptr) return;
  Intent intent{.kind = Intent::Kind::kClear};
  intent.name = kOfflineCode;
  CommitClear(record, twin, intent);
  sink_.Flush();
  WatchSilence(record.model(), twin);
}

}  // namespace gemel::twin
