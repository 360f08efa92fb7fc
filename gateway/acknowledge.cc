// The part of the gateway that keeps what people ask of alerts over HTTP, and what they say of
// them.

#include <chrono>
#include <latch>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/end_process.h"
#include "gateway/base/json_text.h"
#include "gateway/gateway.h"
#include "gateway/journal/folder.h"

namespace gemel {
namespace {

constexpr std::chrono::seconds kAckPatience{5};
constexpr std::chrono::milliseconds kAckPoll{10};
constexpr std::chrono::milliseconds kReadPatience{1'000};

}  // namespace

Result<std::string> Gateway::Acknowledge(EffectId alert, const twin::AckText& ack) {
  if (!has_recovered_.load()) return Unavailable("the journal is replayed; try again");
  const auto owner = shards_->FindAlert(alert);
  const std::string id = FormatEffectId('a', alert);
  if (!owner) return NotFound(fmt::format("no alert {} is active or waits to be acknowledged", id));
  const std::string payload = twin::EncodeAck({alert, ack});
  journal::Record record{.kind = journal::RecordKind::kAlertAcknowledged,
                         .model = owner->model,
                         .key_hash = owner->key_hash,
                         .id = owner->id,
                         .payload = payload};
  const auto until = std::chrono::steady_clock::now() + kAckPatience;
  auto outcome = sequencer_->Append({&record, 1});
  while (outcome == journal::Sequencer::Outcome::kFull &&
         std::chrono::steady_clock::now() < until) {
    sequencer_->WaitForRoom(kAckPoll);
    outcome = sequencer_->Append({&record, 1});
  }
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer_->failure());
  if (outcome != journal::Sequencer::Outcome::kAppended)
    return Unavailable("the journal has no room; try again");

  std::optional<std::string> json;
  std::latch done(1);
  const bool is_asked =
      shards_->Ask(sequencer_->ShardOf(owner->key_hash), [&](twin::Engine& engine) {
        if (engine.applied() < record.lsn) return false;
        twin::Twin* const its = engine.table(owner->model).Find(owner->key_hash, owner->id);
        twin::Side* const side = its == nullptr ? nullptr : its->side();
        if (const twin::Alert* const found = side == nullptr ? nullptr : side->FindAlert(alert)) {
          const Time time = found->ack ? found->ack->time : record.record_time;
          effects::WriteAlert(
              twin::TextOf(*found, compiled_->world.models[owner->model].model->name(), owner->id,
                           time),
              json.emplace());
        }
        done.count_down();
        return true;
      });
  if (!is_asked) return Unavailable("the gateway stops");
  done.wait();
  if (json) return *std::move(json) + "\n";
  // Over and now acknowledged: nobody remembers more of it.
  std::string ended = fmt::format(R"({{"id":"{}","status":"cleared_acked","acked_by":)", id);
  AppendJsonText(ack.by, ended);
  ended += ",\"comment\":";
  AppendJsonText(ack.comment, ended);
  return ended + "}\n";
}

Status Gateway::OpenHistory() {
  GEMEL_TRY(journal::MakeFolder(config_.history.path.parent_path()));
  GEMEL_TRY_LET(history_, history::AlertLog::Open({.path = config_.history.path,
                                                   .keep = config_.history.keep,
                                                   .bytes_max = config_.history.size},
                                                  clock_));
  // A row is known by its record, so what comes under an id that it has already would be ignored.
  const Lsn newest = history_->newest_at_open();
  if (newest >= MakeLsn(epoch_->number(), 0)) {
    return Damaged(
        fmt::format("{}: it has changes of alerts of epoch {}, and the journal in {} is in epoch "
                    "{}: they do not "
                    "belong together. Restore the journal, or move the history away as well",
                    config_.history.path.string(), newest >> kLsnCounterBits,
                    config_.journal.path.string(), epoch_->number()));
  }
  sinks_.KeepHistory(*history_);
  return Status::Ok();
}

Result<std::string> Gateway::AlertHistory(const history::AlertQuery& query) const {
  if (!has_recovered_.load()) return Unavailable("the journal is replayed; try again");
  // So that whoever has just acknowledged an alert finds it.
  static_cast<void>(history_->Flush(kReadPatience));
  return history::ReadAlertChanges(config_.history.path, query);
}

}  // namespace gemel
