#include "gateway/twin/engine.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/crash_point.h"
#include "gateway/base/limits.h"
#include "gateway/effects/payload.h"
#include "gateway/model/state.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/telemetry_topic.h"

namespace gemel::twin {
namespace {

// Spreads item indexes over 64 bits (2^64 divided by the golden ratio), so that an item of a
// message is told from its neighbours.
constexpr uint64_t kItemFactor = 0x9E3779B97F4A7C15;
constexpr gemel_value kNull{GEMEL_NULL, 0, {.integer = 0}};

}  // namespace

Engine::Engine(const World& world, effects::Sink& sink)
    : world_(world), sink_(sink), call_(world), undo_(kStateBytesMax) {
  for (const ModelEntry& entry : world.models) {
    tables_.push_back(std::make_unique<TwinTable>(*entry.model));
    stats_.push_back(std::make_unique<ModelStats>());
  }
}

void Engine::Apply(const journal::RecordView& record) {
  // Two plain stores; the fences keep the compiler from moving what may crash out from between.
  applying_->store(record.lsn(), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  ApplyNoted(record);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  applying_->store(kNoLsn, std::memory_order_relaxed);
}

void Engine::ApplyNoted(const journal::RecordView& record) {
  if (!deletions_.empty() && IsBeforeDeletion(record)) return;
  ordinal_ = 0;
  retries_ = 0;
  changes_ = 0;
  derived_ = 0;
  switch (record.kind()) {
    case journal::RecordKind::kTelemetry:
      ApplyTelemetry(record);
      break;
    case journal::RecordKind::kTwinDeleted:
    case journal::RecordKind::kTwinRemoved:
      ApplyDeletion(record);
      break;
    case journal::RecordKind::kTwinPut:
      ApplyPut(record);
      break;
    case journal::RecordKind::kProfileChanged:
      ApplyProfileChange(record);
      break;
    case journal::RecordKind::kAlertAcknowledged:
      ApplyAcknowledgement(record);
      break;
    case journal::RecordKind::kTimer:
    case journal::RecordKind::kTimerMissed:
      ApplyTimer(record);
      break;
    case journal::RecordKind::kSilent:
      ApplySilence(record);
      break;
    case journal::RecordKind::kTwinMessage:
      ApplyMessage(record);
      break;
    case journal::RecordKind::kCommandReply:
      ApplyCommandReply(record);
      break;
    case journal::RecordKind::kOperatorCommand:
      ApplyOrder(record);
      break;
    case journal::RecordKind::kCommandsDue:
      ApplyCommandsDue(record);
      break;
    case journal::RecordKind::kEffectOutcome:
    case journal::RecordKind::kEffectsSent:
    case journal::RecordKind::kSkipped:
    case journal::RecordKind::kLost:
      break;
  }
  applied_ = record.lsn();
}

void Engine::SetAside(const journal::RecordView& record) {
  Refuse(record, {Refusal::kModelCrashed,
                  fmt::format("the process ended twice while model {} had this message",
                              world_.models[record.model()].model->name())});
}

Twin& Engine::Restore(uint16_t model, uint64_t key_hash, std::string_view id) {
  ++twins_;
  stats_[model]->twins_created.Add();
  return tables_[model]->Create(key_hash, id);
}

void Engine::RestoreDeletion(uint64_t key_hash, Lsn lsn) {
  deletions_[key_hash] = lsn;
  last_deletion_ = std::max(last_deletion_, lsn);
}

bool Engine::IsBeforeDeletion(const journal::RecordView& record) {
  if (record.lsn() > last_deletion_) {
    deletions_.clear();
    return false;
  }
  const auto found = deletions_.find(record.key_hash());
  return found != deletions_.end() && record.lsn() <= found->second;
}

void Engine::ApplyTelemetry(const journal::RecordView& record) {
  const Route& route = world_.routes[record.route()];
  const model::Model& model = *world_.models[record.model()].model;
  ModelStats& stats = *stats_[record.model()];
  const uint64_t started = Ticks();
  if (!Decode(record, route)) return;
  stats.decode_ticks.Add(Ticks() - started);

  bool is_new = false;
  Twin* twin = FindOrCreate(record, is_new);
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  if (IsRepeat(record, route, *twin)) {
    stats.repeated.Add();
    return;
  }
  Time& seen = twin->SeenBy(record.route());
  const bool is_late = record.event_time() < seen;
  if (is_late) {
    stats.late.Add();
    if (route.late == LatePolicy::kDrop) return;
  }
  std::memcpy(undo_.data(), twin->state(), model.state_size());
  if (!RunModel(record, route, *twin, is_new, is_late)) {
    stats.failed.Add();
    Undo(record, *twin, is_new);
    Refuse(record, {Refusal::kModelFailed, call_.failure()});
    return;
  }
  const bool is_first = seen == kNoTime;
  if (!is_late) seen = record.event_time();
  const Time before = std::exchange(twin->last_telemetry, record.record_time());
  if (is_first && route.offline_after > Duration::zero()) WatchSilence(record.model(), *twin);
  if (twin->side() != nullptr) EndSilence(record, *twin);
  if (world_.feed_model) ReportToFeed(record, *twin, before);
  // Before what the model wants now, which is the newer word.
  if (twin->side() != nullptr && !twin->side()->commands.empty()) RetryCommands(record, *twin);
  stats.applied.Add();
  if (is_new) stats.twins_created.Add();
  CountDropped(stats);
  CrashPoint("engine.after_model");
  if (!call_.is_empty()) Commit(record, route.command ? &route : nullptr, *twin);
}

void Engine::CountDropped(ModelStats& stats) const {
  if (call_.unroutable_replies() > 0) stats.commands_unroutable.Add(call_.unroutable_replies());
  if (call_.cut_messages() > 0) stats.twin_messages_cut.Add(call_.cut_messages());
}

bool Engine::Decode(const journal::RecordView& record, const Route& route) {
  values_.resize(route.fields.table_size());
  if (route.has_field_in_topic) {
    std::ranges::fill(values_, kNull);
  } else if (const auto refused =
                 decoder_.Decode(route.fields, static_cast<codec::Codec>(record.codec()),
                                 record.payload(), record.outer(), values_)) {
    Refuse(record, *refused);
    return false;
  }
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    if (symbol.field == journal::kNoField) continue;
    values_[symbol.field] = symbol.is_refused != 0 ? kNull : ToValue(Symbol{symbol.number});
  }
  const std::span<const gemel_field> fields = world_.models[record.model()].model->fields();
  std::optional<Refused> refused;
  record.ForEachCapture([&](uint16_t field, std::string_view text) {
    if (!refused && field != journal::kNoField)
      refused = decoder_.Scalar(fields[field], text, values_[field]);
  });
  if (refused) Refuse(record, *refused);
  return !refused;
}

bool Engine::IsRepeat(const journal::RecordView& record, const Route& route, Twin& twin) {
  if (record.repeat() == journal::RepeatKey::kNone || route.repeat_window == 0) return false;
  RepeatWindow& window = twin.MakeSide().RepeatsOf(record.route());
  return record.repeat() == journal::RepeatKey::kSequence
             ? window.HasSeenNumber(record.repeat_key(), route.repeat_window)
             : window.HasSeenId(record.repeat_key() ^ record.item() * kItemFactor,
                                route.repeat_window);
}

Twin* Engine::FindOrCreate(const journal::RecordView& record, bool& is_new) {
  TwinTable& table = *tables_[record.model()];
  if (Twin* twin = table.Find(record.key_hash(), record.id())) return twin;
  if (twins_ >= world_.twins_max) {
    Refuse(record,
           {Refusal::kOverload, "the shard holds as many twins as limits.twins_max allows"});
    return nullptr;
  }
  is_new = true;
  ++twins_;
  Twin& twin = table.Create(record.key_hash(), record.id());
  const ModelEntry& entry = world_.models[record.model()];
  if (entry.apply_profile) entry.apply_profile(record.id(), twin.state());
  return &twin;
}

void Engine::Merge(const model::Model& model, Twin& twin, Time event_time) {
  const std::span<const gemel_field> fields = model.fields();
  std::byte* state = twin.state();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (values_[i].type == GEMEL_NULL) continue;
    const gemel_field& field = fields[i];
    if (model::EventTimeOf(field, state) > event_time) continue;
    model::WriteValue(field, state, values_[i]);
    model::SetEventTime(field, state, event_time);
  }
}

bool Engine::RunModel(const journal::RecordView& record, const Route& route, Twin& twin,
                      bool is_new, bool is_late) {
  const model::Model& model = *world_.models[record.model()].model;
  call_.Begin(
      {&model, &twin, &timers_, record.lsn(), record.record_time(), route.command.has_value()});
  const uint64_t started = Ticks();
  bool is_done = !is_new || model.OnInit(twin.state(), call_.context(), call_.failure());
  if (is_done) {
    Merge(model, twin, record.event_time());
    gemel_message message{};
    message.struct_size = sizeof message;
    message.flags = is_late ? GEMEL_MESSAGE_IS_LATE : 0;
    message.time_us = record.event_time().time_since_epoch().count();
    message.route = ToText(route.name);
    message.values = values_.data();
    message.values_count = static_cast<uint32_t>(values_.size());
    CrashPoint("engine.before_model");
    is_done = model.OnTelemetry(twin.state(), message, call_.context(), call_.failure());
  }
  stats_[record.model()]->model_ticks.Add(Ticks() - started);
  return is_done;
}

void Engine::Undo(const journal::RecordView& record, Twin& twin, bool is_new) {
  if (is_new) {
    DeleteTwin(record.model(), twin);
  } else {
    std::memcpy(twin.state(), undo_.data(), world_.models[record.model()].model->state_size());
  }
}

void Engine::ApplyDeletion(const journal::RecordView& record) {
  TwinTable& table = *tables_[record.model()];
  Twin* twin = table.Find(record.key_hash(), record.id());
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  if (twin->side() != nullptr) {
    for (Alert& alert : twin->side()->alerts) EndAlert(record, *twin, alert);
    EndCommands(record, *twin, "the twin was deleted");
    sink_.Flush();
  }
  if (world_.feed_model) LeaveFeed(record, *twin);
  table.NoteDeletion(*twin, record.lsn());
  DeleteTwin(record.model(), *twin);
  stats_[record.model()]->twins_deleted.Add();
}

void Engine::DeleteTwin(uint16_t model, Twin& twin) {
  timers_.DisarmAll(twin);
  ForgetAlerts(twin);
  tables_[model]->Delete(twin);
  --twins_;
}

void Engine::Refuse(const journal::RecordView& record, const Refused& refused) {
  refused_[static_cast<size_t>(refused.reason)].Add();
  const std::string topic = effects::DeadLetterTopic(world_.root, refused.reason);
  topic_.clear();  // unless it came on a route
  if (record.kind() == journal::RecordKind::kTelemetry)
    WriteTelemetryTopic(record, world_, {.any = "+", .rest = "#"}, topic_);
  effects::WriteDeadLetter({.topic = topic_,
                            .time = record.record_time(),
                            .payload = record.payload(),
                            .error = refused.detail,
                            .lsn = record.lsn()},
                           payload_);
  sink_.Append({.id = {record.lsn(), 0},
                .kind = effects::EffectKind::kDeadLetter,
                .model = record.model(),
                .decided = record.record_time(),
                .twin = record.id(),
                .topic = topic,
                .payload = payload_});
  sink_.Flush();
}

}  // namespace gemel::twin
