// The part of the engine that notices when nothing is heard of a twin.
//
// A twin is looked at when its silence would be too long if nothing came; messages do not move that
// look, which finds out by itself that it came too early. So silence costs a message nothing, and
// what is recorded is only that a twin has fallen silent.

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "gateway/twin/engine.h"

namespace gemel::twin {
namespace {

// Which feed a member has told, where a timer has room for it.
uint64_t FeedNumber(const Route& route) { return HashKey(kFeedModel, route.name); }

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

void Engine::ArmSilence(uint16_t model, Twin& twin, Time due, Duration how, uint64_t told) {
  const Timers::Handle watched = timers_.Find(twin, Timer::kSilence);
  if (watched != Timers::kNone) timers_.Disarm(twin, watched);
  timers_.Arm(twin, model, {.name = Timer::kSilence, .due = due, .every = how, .cause = {told, 0}});
}

void Engine::WatchSilence(uint16_t model, Twin& twin) {
  const Duration after = OfflineAfter(twin);
  const bool is_silent = twin.side() != nullptr && twin.side()->FindAlert(kOfflineCode) != nullptr;
  const Timers::Handle watched = timers_.Find(twin, Timer::kSilence);
  if (after == Duration::zero() || is_silent || twin.last_telemetry == kNoTime) {
    if (watched != Timers::kNone) timers_.Disarm(twin, watched);  // of another configuration
    return;
  }
  const Timer timer = watched == Timers::kNone ? Timer{} : timers_.At(watched);
  if (timer.every == Timer::kAsks && ToldFeed(timer) != nullptr) return;
  const bool is_told = timer.every == Timer::kReports && ToldFeed(timer) != nullptr;
  ArmSilence(model, twin, twin.last_telemetry + after, is_told ? Timer::kReports : Duration::zero(),
             is_told ? timer.cause.lsn : 0);
}

bool Engine::IsSilent(const Timers::Due& due, const Twin& twin, Time now) {
  const Duration after = OfflineAfter(twin);
  const Time since = listens_since_ ? std::max(*listens_since_, twin.last_telemetry) : now;
  if (since + after <= now) return true;
  timers_.Rearm(due.timer, since + after, timers_.At(due.timer).cause);
  return false;
}

void Engine::ApplySilence(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  if (twin->last_telemetry != record.event_time()) {
    WatchSilence(record.model(), *twin);  // something came meanwhile
    return;
  }
  const Timers::Handle watched = timers_.Find(*twin, Timer::kSilence);
  if (watched == Timers::kNone) return;
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  const Timer timer = timers_.At(watched);
  const Duration after = OfflineAfter(*twin);
  const Route* const feed = ToldFeed(timer);
  if (after == Duration::zero() || feed == nullptr) {
    timers_.Disarm(*twin, watched);
    if (after > Duration::zero()) RaiseOffline(record, *twin, twin->last_telemetry);
    return;
  }
  TellFeed(record, *feed, timer.every == Timer::kReports ? kMemberIsSilent : kMemberAsks);
  ArmSilence(record.model(), *twin, record.record_time() + after, Timer::kAsks, timer.cause.lsn);
}

void Engine::RaiseOffline(const journal::RecordView& record, Twin& twin, Time since) {
  Intent intent{.kind = Intent::Kind::kRaise, .severity = GEMEL_WARNING};
  intent.name = kOfflineCode;
  intent.message = InWords(record.record_time() - since);
  intent.arguments =
      fmt::format(R"({{"last_ms":{},"offline_after_s":{}}})",
                  std::chrono::floor<std::chrono::milliseconds>(since.time_since_epoch()).count(),
                  ToSeconds(OfflineAfter(twin)));
  CommitRaise(record, twin, intent);
  sink_.Flush();
}

void Engine::ClearOffline(const journal::RecordView& record, Twin& twin) {
  Intent intent{.kind = Intent::Kind::kClear};
  intent.name = kOfflineCode;
  CommitClear(record, twin, intent);
  sink_.Flush();
}

void Engine::EndSilence(const journal::RecordView& record, Twin& twin) {
  if (twin.side()->FindAlert(kOfflineCode) == nullptr) return;
  ClearOffline(record, twin);
  WatchSilence(record.model(), twin);
}

const Route* Engine::FeedOf(const Twin& twin) const {
  const Route* first = nullptr;
  twin.ForEachSeen([&](uint16_t number, Time) {
    const Route& route = world_.routes[number];
    if (route.feed_watch && (first == nullptr || &route < first)) first = &route;
  });
  return first;
}

const Route* Engine::ToldFeed(const Timer& timer) const {
  if (!world_.feed_model || timer.every == Duration::zero()) return nullptr;
  for (const Route& route : world_.routes) {
    if (route.feed_watch && FeedNumber(route) == timer.cause.lsn) return &route;
  }
  return nullptr;
}

void Engine::TellFeed(const journal::RecordView& record, const Route& feed, const char* what,
                      Arguments arguments) {
  Intent intent{.kind = Intent::Kind::kSend, .model = *world_.feed_model};
  intent.name = feed.name;
  EncodeTwinMessage(world_.models[record.model()].model->name(), record.id(), what,
                    arguments.begin(), arguments.size(), *world_.symbols, intent.arguments);
  CommitSend(record, intent);
}

void Engine::ReportToFeed(const journal::RecordView& record, Twin& twin, Time before) {
  const Timers::Handle watched = timers_.Find(twin, Timer::kSilence);
  const Timer timer = watched == Timers::kNone ? Timer{} : timers_.At(watched);
  if (timer.every == Timer::kReports) return;
  const Route* const told = ToldFeed(timer);
  const Route* const feed = told != nullptr ? told : FeedOf(twin);
  const Duration after = OfflineAfter(twin);
  if (feed == nullptr || after == Duration::zero()) return;
  if (told != nullptr) {
    TellFeed(record, *feed, kMemberReports, {{kSinceUs, before.time_since_epoch().count()}});
  } else {
    TellFeed(record, *feed, kMemberReports);
  }
  ArmSilence(record.model(), twin, twin.last_telemetry + after, Timer::kReports, FeedNumber(*feed));
}

void Engine::LeaveFeed(const journal::RecordView& record, const Twin& twin) {
  const Timers::Handle watched = timers_.Find(twin, Timer::kSilence);
  if (watched == Timers::kNone) return;
  const Timer timer = timers_.At(watched);
  const Route* const feed = ToldFeed(timer);
  if (feed != nullptr)
    TellFeed(record, *feed, kMemberIsGone, {{kWasSilent, timer.every == Timer::kAsks}});
}

// A feed says to a member that its silence is its own.
void Engine::ApplyVerdict(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  for (const gemel_argument& argument :
       std::span(message_.message().arguments, message_.message().arguments_count)) {
    if (ToView(argument.name) != kSinceUs || argument.value.type != GEMEL_INT64) continue;
    if (twin->side() != nullptr && twin->side()->FindAlert(kOfflineCode) != nullptr) return;
    RaiseOffline(record, *twin, Time{Duration{argument.value.as.integer}});
    ClearOffline(record, *twin);
    return;
  }
  const Timers::Handle watched = timers_.Find(*twin, Timer::kSilence);
  const bool waits = watched != Timers::kNone && timers_.At(watched).every == Timer::kAsks;
  if (!waits) return;  // it was heard meanwhile
  timers_.Disarm(*twin, watched);
  RaiseOffline(record, *twin, twin->last_telemetry);
}

}  // namespace gemel::twin
