// The part of the engine that keeps alerts until they are over and acknowledged.

#include <algorithm>
#include <utility>

#include "gateway/base/limits.h"
#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {

effects::AlertText TextOf(const Alert& alert, std::string_view model, std::string_view twin,
                          Time time) {
  effects::AlertText text{.id = alert.id,
                          .status = alert.status(),
                          .severity = alert.severity,
                          .model = model,
                          .twin = twin,
                          .code = alert.code,
                          .message = alert.message,
                          .time = time,
                          .first = alert.first,
                          .last = alert.last,
                          .count = alert.count,
                          .properties = alert.properties};
  if (alert.ack) {
    text.acked_by = alert.ack->by;
    text.comment = alert.ack->comment;
    text.acked = alert.ack->time;
  }
  return text;
}

void Engine::ApplyAcknowledgement(const journal::RecordView& record) {
  Twin* const twin = tables_[record.model()]->Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn || twin->side() == nullptr) return;
  const auto ack = DecodeAck(record.payload());
  Alert* const alert = ack ? twin->side()->FindAlert(ack->alert) : nullptr;
  // It may have ended since somebody looked, and who acknowledges first has done so.
  if (alert == nullptr || alert->ack) return;
  // Or have grown worse than what they looked at; the worst severity has the lowest number.
  if (ack->text.severity && alert->severity < *ack->text.severity) return;
  acked_by_[next_acked_by_++ % acked_by_.size()] = record.lsn();
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  alert->ack = Acknowledgement{.by = ack->text.by,
                               .comment = ack->text.comment,
                               .time = record.record_time(),
                               .severity = alert->severity};
  stats_[record.model()]->alerts_acknowledged.Add();
  SendAlert(record, *twin, *alert, effects::AlertChange::kAcknowledged);
  if (!alert->is_active()) ForgetCleared(*twin->side(), alert->code);
  sink_.Flush();
}

void Engine::RememberCleared(Side& side, Alert alert) {
  while (side.cleared.size() >= kClearedAlertsPerTwinMax) {
    open_alerts_.Remove(side.cleared.front().id);
    side.cleared.erase(side.cleared.begin());
  }
  side.cleared.push_back(std::move(alert));
}

void Engine::ForgetCleared(Side& side, std::string_view code) {
  const auto found = std::ranges::find(side.cleared, code, &Alert::code);
  if (found == side.cleared.end()) return;
  open_alerts_.Remove(found->id);
  side.cleared.erase(found);
}

void Engine::IndexAlerts(uint16_t model, const Twin& twin) {
  if (twin.side() == nullptr) return;
  for (const Alert& alert : twin.side()->alerts) stats_[model]->alerts_raised[alert.severity].Add();
  for (const std::vector<Alert>* some : {&twin.side()->alerts, &twin.side()->cleared}) {
    for (const Alert& alert : *some)
      open_alerts_.Add(alert.id, {model, twin.key_hash(), std::string(twin.id())});
  }
}

void Engine::ForgetAlerts(const Twin& twin) {
  if (twin.side() == nullptr) return;
  for (const std::vector<Alert>* some : {&twin.side()->alerts, &twin.side()->cleared}) {
    for (const Alert& alert : *some) open_alerts_.Remove(alert.id);
  }
}

}  // namespace gemel::twin
