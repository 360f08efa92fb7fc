// The part of the gateway that keeps what people ask of alerts over HTTP, and what they say of
// them.

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/end_process.h"
#include "gateway/base/json_text.h"
#include "gateway/gateway.h"
#include "gateway/journal/folder.h"

namespace gemel {
namespace {

constexpr std::chrono::seconds kAckPatience{5};
// For how long whoever acknowledges waits for a shard that is behind, and how often it is asked.
constexpr std::chrono::milliseconds kAnswerPatience{2'000};
constexpr std::chrono::milliseconds kAnswerPoll{10};
constexpr std::chrono::milliseconds kReadPatience{1'000};

}  // namespace

Result<http::AckAnswer> Gateway::Acknowledge(EffectId alert, const twin::AckText& ack) {
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
  const auto outcome = AppendWithin(kAckPatience, record);
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer_->failure());
  if (outcome != journal::Sequencer::Outcome::kAppended)
    return Unavailable("the journal has no room; try again");

  const auto answer_until = std::chrono::steady_clock::now() + kAnswerPatience;
  while (std::chrono::steady_clock::now() < answer_until) {
    GEMEL_TRY_LET(auto json, WhatAckDid({alert, ack}, *owner, record.lsn));
    if (json) return http::AckAnswer{*std::move(json)};
    std::this_thread::sleep_for(kAnswerPoll);
  }
  return http::AckAnswer{fmt::format("{{\"id\":\"{}\",\"status\":\"recorded\"}}\n", id), false};
}

Result<std::optional<std::string>> Gateway::WhatAckDid(const twin::AckOfAlert& ack,
                                                       const twin::AlertOwner& owner, Lsn record) {
  struct Answer {
    bool is_applied = false;
    bool has_acked = false;
    std::string json;  // empty: the twin has no such alert
    std::string acked_by;
  };
  // Shared, because the slice may run after we have given it up. It does not wait for the record:
  // other requests would wait behind it.
  const auto answer = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answered = answer->get_future();
  const auto look = [this, answer, record, owner, alert = ack.alert](twin::Engine& engine) {
    Answer found{.is_applied = engine.applied() >= record,
                 .has_acked = engine.HasAcknowledged(record)};
    twin::Twin* const its = engine.table(owner.model).Find(owner.key_hash, owner.id);
    twin::Side* const side = its == nullptr ? nullptr : its->side();
    if (const twin::Alert* const it = side == nullptr ? nullptr : side->FindAlert(alert)) {
      if (it->ack) found.acked_by = it->ack->by;
      const auto& model = *compiled_->world.models[owner.model].model;
      effects::WriteAlert(
          twin::TextOf(*it, model.name(), owner.id, it->ack ? it->ack->time : it->last),
          found.json);
    }
    answer->set_value(std::move(found));
    return true;
  };
  if (!shards_->Ask(sequencer_->ShardOf(owner.key_hash), look))
    return Unavailable("the gateway stops; the acknowledgement is recorded");
  if (answered.wait_for(kAnswerPatience) != std::future_status::ready)
    return std::optional<std::string>();
  const Answer found = answered.get();
  if (!found.is_applied) return std::optional<std::string>();
  const std::string id = FormatEffectId('a', ack.alert);
  if (!found.has_acked) {
    if (found.json.empty())
      return Invalid(fmt::format("alert {} was over or raised anew before that", id));
    if (!found.acked_by.empty())
      return Invalid(
          fmt::format("alert {}: {} has acknowledged it before that", id, found.acked_by));
    return Invalid(fmt::format("alert {} had grown worse than that", id));
  }
  if (!found.json.empty()) return std::optional(found.json + "\n");
  // Over and now acknowledged: nobody remembers more of it.
  std::string ended = fmt::format(R"({{"id":"{}","status":"cleared_acked","acked_by":)", id);
  AppendJsonText(ack.text.by, ended);
  ended += ",\"comment\":";
  AppendJsonText(ack.text.comment, ended);
  return std::optional(ended + "}\n");
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
  history_->HoldWhenFull(true);  // until the journal is replayed
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
