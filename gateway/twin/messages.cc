// The part of the engine that has to do with messages between twins.

#include <cstring>

#include "gateway/base/assert.h"
#include "gateway/twin/engine.h"

namespace gemel::twin {

void Engine::ApplyMessage(const journal::RecordView& record) {
  const model::Model& model = *world_.models[record.model()].model;
  if (!message_.Read(record.payload())) {
    Refuse(record, {Refusal::kPayloadInvalid, "it is no message of a twin"});
    return;
  }
  // No model is called so but the gateway's own.
  if (ToView(message_.message().model) == kFeedModel) return ApplyVerdict(record);
  if (!model.has_messages()) return;  // it had, when the message was sent
  bool is_new = false;
  Twin* const twin = FindOrCreate(record, is_new);
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  twin->applied_lsn = record.lsn();
  tables_[record.model()]->MarkDirty(*twin);
  ModelStats& stats = *stats_[record.model()];
  std::memcpy(undo_.data(), twin->state(), model.state_size());
  const Route* const route = ReplyRoute(record.model(), *twin);
  if (!RunMessage(record, *twin, is_new, route)) {
    stats.failed.Add();
    Undo(record, *twin, is_new);
    Refuse(record, {Refusal::kModelFailed, call_.failure()});
    return;
  }
  stats.twin_messages.Add();
  if (is_new) stats.twins_created.Add();
  CountDropped(stats);
  if (!call_.is_empty()) Commit(record, route, *twin);
}

bool Engine::RunMessage(const journal::RecordView& record, Twin& twin, bool is_new,
                        const Route* route) {
  const model::Model& model = *world_.models[record.model()].model;
  call_.Begin({&model, &twin, &timers_, record.lsn(), record.record_time(), route != nullptr,
               record.depth()});
  const uint64_t started = Ticks();
  const bool is_done =
      (!is_new || model.OnInit(twin.state(), call_.context(), call_.failure())) &&
      model.OnMessage(twin.state(), message_.message(), call_.context(), call_.failure());
  stats_[record.model()]->model_ticks.Add(Ticks() - started);
  return is_done;
}

void Engine::CommitSend(const journal::RecordView& record, const Intent& intent) {
  const bool is_message = intent.kind == Intent::Kind::kSend;
  const std::string& model = world_.models[intent.model].model->name();
  sent_.emplace_back(journal::Record{
      .kind = is_message ? journal::RecordKind::kTwinMessage : journal::RecordKind::kTwinRemoved,
      .model = intent.model,
      .key_hash = HashKey(model, intent.name),
      .cause = {record.lsn(), derived_++},
      .depth = static_cast<uint16_t>(record.depth() + 1),
      .id = intent.name,
      .payload = intent.arguments});
}

}  // namespace gemel::twin
