// The part of the engine that turns what a model asked for into effects.

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/effects/payload.h"
#include "gateway/model/state.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {

void Engine::Commit(const journal::RecordView& record, const Route* route, Twin& twin) {
  for (const Intent& intent : call_) {
    switch (intent.kind) {
      case Intent::Kind::kReply:
        CommitReply(record, *route, twin, intent);  // without one there is no such intent
        break;
      case Intent::Kind::kRaise:
        CommitRaise(record, twin, intent);
        break;
      case Intent::Kind::kClear:
        CommitClear(record, twin, intent);
        break;
      case Intent::Kind::kSetTimer:
      case Intent::Kind::kCancelTimer:
        CommitTimer(record, twin, intent);
        break;
      case Intent::Kind::kSend:
      case Intent::Kind::kRemove:
        CommitSend(record, intent);
        break;
    }
  }
  sink_.Flush();
}

bool Engine::RenderCommandTopic(const Route& route, const Twin& twin) {
  const model::Model& model = *world_.models[route.model].model;
  topic_.clear();
  bool is_known = true;
  route::Render(*route.command, topic_, [&](const std::string& name, std::string& out) {
    if (name == "id") {
      out += twin.id();
      return;
    }
    // The configuration was checked: every other name is a symbol or text filled from the topic.
    const gemel_value value =
        model::ReadValue(model.fields()[*model.FieldIndex(name)], twin.state());
    if (value.type == GEMEL_SYMBOL) {
      out += world_.symbols->TextOf(Symbol{static_cast<uint32_t>(value.as.integer)});
    } else if (value.type == GEMEL_TEXT) {
      out.append(value.as.text, value.length);
    } else {
      is_known = false;
    }
  });
  return is_known;
}

void Engine::CommitReply(const journal::RecordView& record, const Route& route, Twin& twin,
                         const Intent& intent) {
  const EffectId id{record.lsn(), ordinal_++};
  const Duration lifetime = intent.after;
  const Time now = record.record_time();
  const Time expires = lifetime.count() == 0 ? kNoTime : now + lifetime;
  if (!RenderCommandTopic(route, twin)) {
    // A refused symbol, and then no device listens where the topic would lead.
    stats_[record.model()]->commands_unroutable.Add();
    return;
  }
  effects::WriteCommand({id, now, intent.name, intent.arguments, expires}, payload_);
  stats_[record.model()]->commands.Add();
  Send({.id = id, .kind = effects::EffectKind::kCommand, .lifetime = lifetime}, record);
  if (!route.is_answered) return;
  TrackCommand(record, twin,
               {.id = id,
                .route = static_cast<uint16_t>(&route - world_.routes.data()),
                .name = intent.name,
                .arguments = intent.arguments,
                .decided = now,
                .last_sent = now,
                .expires = expires});
}

void Engine::CommitRaise(const journal::RecordView& record, Twin& twin, const Intent& intent) {
  Side& side = twin.MakeSide();
  Alert* alert = side.FindAlert(intent.name);
  ModelStats& stats = *stats_[record.model()];
  effects::AlertChange change = effects::AlertChange::kRaised;
  if (alert != nullptr) {
    ++alert->count;
    alert->last = record.record_time();
    alert->message = intent.message;
    alert->properties = intent.arguments;
    if (alert->severity == intent.severity) return;
    EmptyAlertTopic(record, twin, *alert);
    stats.alerts_cleared[alert->severity].Add();
    alert->severity = intent.severity;
    // Whoever took it on has not seen it this bad; the worst severity has the lowest number.
    if (alert->ack && alert->severity < alert->ack->severity) alert->ack.reset();
    change = effects::AlertChange::kSeverity;
  } else {
    // The gateway's own alert always has room.
    if (side.alerts.size() >= kAlertsPerTwinMax && intent.name != kOfflineCode) {
      stats.alerts_dropped.Add();
      return;
    }
    ForgetCleared(side, intent.name);  // it goes on under a new id
    alert = &side.alerts.emplace_back();
    *alert = {.id = {record.lsn(), ordinal_},
              .severity = intent.severity,
              .code = intent.name,
              .message = intent.message,
              .properties = intent.arguments,
              .first = record.record_time(),
              .last = record.record_time()};
    open_alerts_.Add(alert->id, {record.model(), twin.key_hash(), std::string(twin.id())});
  }
  alert->severities |= effects::SeverityBit(alert->severity);
  stats.alerts_raised[alert->severity].Add();
  SendAlert(record, twin, *alert, change);
}

void Engine::CommitClear(const journal::RecordView& record, Twin& twin, const Intent& intent) {
  if (twin.side() == nullptr) return;
  std::vector<Alert>& alerts = twin.side()->alerts;
  const auto found = std::ranges::find(alerts, intent.name, &Alert::code);
  if (found == alerts.end()) return;
  Alert alert = std::move(*found);
  alerts.erase(found);
  EndAlert(record, twin, alert);
  if (alert.ack) {
    open_alerts_.Remove(alert.id);
  } else {
    RememberCleared(*twin.side(), std::move(alert));
  }
}

void Engine::EndAlert(const journal::RecordView& record, const Twin& twin, Alert& alert) {
  alert.cleared = record.record_time();
  stats_[record.model()]->alerts_cleared[alert.severity].Add();
  SendAlert(record, twin, alert, effects::AlertChange::kCleared);
}

void Engine::SendAlert(const journal::RecordView& record, const Twin& twin, const Alert& alert,
                       effects::AlertChange change) {
  const EffectId id{record.lsn(), ordinal_++};
  const bool has_ended = change == effects::AlertChange::kCleared;
  RenderAlertTopic(record.model(), twin, alert);
  effects::WriteAlert(
      TextOf(alert, world_.models[record.model()].model->name(), twin.id(), record.record_time()),
      payload_);
  Send({.id = id,
        .kind = effects::EffectKind::kAlert,
        .is_retained = alert.is_active(),
        .has_more = has_ended,
        .severities = alert.severities,
        .change = change},
       record);
  if (!has_ended) return;
  // The retained message goes, so that who comes later does not see an alert that is over.
  payload_.clear();
  Send({.id = id, .kind = effects::EffectKind::kAlert, .is_retained = true}, record);
}

void Engine::EmptyAlertTopic(const journal::RecordView& record, const Twin& twin,
                             const Alert& alert) {
  RenderAlertTopic(record.model(), twin, alert);
  payload_.clear();
  Send({.id = {record.lsn(), ordinal_++}, .kind = effects::EffectKind::kAlert, .is_retained = true},
       record);
}

void Engine::RenderAlertTopic(uint16_t model, const Twin& twin, const Alert& alert) {
  topic_ = fmt::format("{}/alerts/{}/{}/{}/{}", world_.root, effects::SeverityName(alert.severity),
                       world_.models[model].model->name(), twin.id(), alert.code);
}

void Engine::Send(effects::Effect effect, const journal::RecordView& record) {
  effect.model = record.model();
  effect.key_hash = record.key_hash();
  effect.decided = record.record_time();
  effect.twin = record.id();
  effect.topic = topic_;
  effect.payload = payload_;
  sink_.Append(effect);
}

}  // namespace gemel::twin
