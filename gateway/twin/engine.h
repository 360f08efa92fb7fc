#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gateway/base/refusal.h"
#include "gateway/base/stats.h"
#include "gateway/codec/field_map.h"
#include "gateway/effects/effect.h"
#include "gateway/journal/record.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/alert_index.h"
#include "gateway/twin/call.h"
#include "gateway/twin/profile_change.h"
#include "gateway/twin/table.h"
#include "gateway/twin/timers.h"
#include "gateway/twin/twin_message.h"
#include "gateway/twin/world.h"

namespace gemel::twin {

// What happened, by model. Written by the shard thread, read by any.
struct ModelStats {
  Counter applied;
  Counter late;
  Counter repeated;  // known by message id or sequence, and dropped
  Counter failed;
  Counter commands;
  Counter commands_unroutable;  // no command topic, or a part of it is unknown
  Counter commands_repeated;    // sent again, because nobody had answered
  std::array<Counter, kCommandStatuses> commands_ended;
  Counter command_replies_stale;  // to what waits for no answer
  Counter alerts_dropped;         // beyond what a twin can have
  Counter alerts_acknowledged;
  std::array<Counter, 6> alerts_raised;   // by severity
  std::array<Counter, 6> alerts_cleared;  // by the severity that they had
  Counter profile_changes;
  Counter timers_fired;
  Counter twin_messages;      // of other twins, that were applied
  Counter twin_messages_cut;  // that would have made too long a chain
  Counter twins_created;
  Counter twins_deleted;
  TickHistogram decode_ticks;
  TickHistogram model_ticks;
};

// The order of derived records of one moment in virtual time, whatever shards they are of.
bool ComesBefore(const journal::OwnedRecord& first, const journal::OwnedRecord& second);

// The fold: applies records to the twins of one shard and hands their effects out. A pure function
// of its state and the records, on one thread; it knows neither mailboxes nor MQTT nor clocks, so
// tests, benchmarks and replay run the same code.
class Engine {
 public:
  // World and sink outlive the engine.
  Engine(const World& world, effects::Sink& sink);

  // Applies the next record; nothing happens if its twin has seen it. REQUIRES: the engine's
  // records come in the order of their LSN.
  void Apply(const journal::RecordView& record);
  // Refuses a record that crashed the process instead of applying it.
  void SetAside(const journal::RecordView& record);
  // From now on the LSN of the record that is being applied stands here, kNoLsn between records: a
  // place that outlives the process. It outlives the engine.
  void NoteIn(std::atomic<Lsn>& applying) { applying_ = &applying; }
  // Takes up to `most` timers that are due by now off the wheel, and makes the records that say so.
  // Their texts are the engine's, until the next call of any kind. Every one must be appended, or
  // given to PutBack.
  void TakeDue(Time now, size_t most, std::vector<journal::Record>& due);
  // From when on silence counts: nobody is silent before the gateway listens. Nothing while it does
  // not. Since ever, unless somebody says so.
  void ListensSince(std::optional<Time> since) { listens_since_ = since; }
  // To be called for a twin once it is restored.
  void FinishRestore(uint16_t model, Twin& twin) {
    WatchSilence(model, twin);
    IndexAlerts(model, twin);
    ArmCommands(model, twin);
  }
  // Any thread may look.
  const AlertIndex& open_alerts() const { return open_alerts_; }
  // Of the last TakeDue: they are due a millisecond later.
  void PutBack();
  // Records that the last ones have caused, in order: each must be appended before the engine's
  // next one is applied, or, in a replay, be found in the journal.
  bool has_sent() const { return !sent_.empty(); }
  std::vector<journal::OwnedRecord> TakeSent() { return std::exchange(sent_, {}); }
  // For virtual time: all that are due by now, each to be appended. In no order, see ComesBefore.
  std::vector<journal::OwnedRecord> TakeAllDue(Time now);
  // Makes a twin in its model's default state, for whoever has saved one. REQUIRES: there is none
  Twin& Restore(uint16_t model, uint64_t key_hash, std::string_view id);
  // Of a twin that was deleted: its records up to this one are not applied again.
  void RestoreDeletion(uint64_t key_hash, Lsn lsn);
  // As Call::set_on_log.
  void set_on_log(Call::OnLog on_log) { call_.set_on_log(std::move(on_log)); }
  // Whether this record, one of the last, acknowledged an alert: it did not if the alert was over,
  // acknowledged or worse by then.
  bool HasAcknowledged(Lsn record) const {
    return std::ranges::find(acked_by_, record) != acked_by_.end();
  }

  // Whether a person's command would reach the device of this twin.
  enum class Reach : uint8_t { kNoTwin, kNoTopic, kReached };
  Reach ReachOf(uint16_t model, uint64_t key_hash, std::string_view id);
  // Of the last record; kNoLsn before the first one.
  Lsn applied() const { return applied_; }
  // Hints that this record will come soon; the second a few records before Apply, see TwinTable.
  void PrefetchIndex(const journal::RecordView& record) const {
    tables_[record.model()]->PrefetchIndex(record.key_hash());
  }
  void PrefetchTwin(const journal::RecordView& record) const {
    tables_[record.model()]->PrefetchTwin(record.key_hash());
  }

  Timers& timers() { return timers_; }
  const Timers& timers() const { return timers_; }
  TwinTable& table(size_t model) { return *tables_[model]; }
  const TwinTable& table(size_t model) const { return *tables_[model]; }
  const ModelStats& stats(size_t model) const { return *stats_[model]; }
  const std::array<Counter, kRefusals>& refused() const { return refused_; }
  const World& world() const { return world_; }

 private:
  void ApplyNoted(const journal::RecordView& record);
  void ApplyTelemetry(const journal::RecordView& record);
  void ApplyTimer(const journal::RecordView& record);  // in timing.cc, with what follows
  bool RunTimer(const journal::RecordView& record, Twin& twin, const Route* route);
  // The first route that the twin was heard on and that has a command topic: where a call that no
  // message caused replies. nullptr if there is none.
  const Route* ReplyRoute(uint16_t model, const Twin& twin) const;
  void CommitTimer(const journal::RecordView& record, Twin& twin, const Intent& intent);
  // Messages between twins, in messages.cc.
  void ApplyMessage(const journal::RecordView& record);
  bool RunMessage(const journal::RecordView& record, Twin& twin, bool is_new, const Route* route);
  void CommitSend(const journal::RecordView& record, const Intent& intent);
  // Commands that wait for an answer, in commands.cc.
  void ApplyCommandReply(const journal::RecordView& record);
  void ApplyOrder(const journal::RecordView& record);
  void ApplyCommandsDue(const journal::RecordView& record);
  // When nobody waits for its answer any more.
  Time EndOf(const Command& command) const;
  // A record is due when the first one's time is over.
  void ArmCommands(uint16_t model, Twin& twin);
  void TrackCommand(const journal::RecordView& record, Twin& twin, Command command);
  // Those that were sent long enough ago: the device is there.
  void RetryCommands(const journal::RecordView& record, Twin& twin);
  // Of a twin that goes.
  void EndCommands(const journal::RecordView& record, Twin& twin, std::string_view why);
  void EndCommand(const journal::RecordView& record, const Twin& twin, const Command& command,
                  CommandStatus status, std::string_view reason);
  void SendCommandChange(const journal::RecordView& record, const Twin& twin,
                         const Command& command, CommandStatus status, std::string_view reason);
  // What outlasts the call that raised it, in alerts.cc.
  void ApplyAcknowledgement(const journal::RecordView& record);
  void RememberCleared(Side& side, Alert alert);
  // The one of this code, if there is one.
  void ForgetCleared(Side& side, std::string_view code);
  // Has all of the twin's alerts found by their ids, and no more.
  void IndexAlerts(uint16_t model, const Twin& twin);
  void ForgetAlerts(const Twin& twin);
  // Silence, in silence.cc.
  void ApplySilence(const journal::RecordView& record);
  // The shortest that a route which the twin was heard on allows; zero if none does.
  Duration OfflineAfter(const Twin& twin) const;
  // A look at the twin is due when its silence would be too long.
  void WatchSilence(uint16_t model, Twin& twin);
  // Whether it is too long by now; another look is due later if not.
  bool IsSilent(const Timers::Due& due, const Twin& twin, Time now);
  void EndSilence(const journal::RecordView& record, Twin& twin);
  // It was not heard since then.
  void RaiseOffline(const journal::RecordView& record, Twin& twin, Time since);
  void ClearOffline(const journal::RecordView& record, Twin& twin);
  // Of members and their feeds, see feed.h.
  const Route* FeedOf(const Twin& twin) const;
  // The one that knows of the twin, by the timer of its silence; nullptr if none does, or it is
  // watched no more.
  const Route* ToldFeed(const Timer& timer) const;
  void TellFeed(const journal::RecordView& record, const Route& feed, const char* what,
                Arguments arguments = {});
  // A look at the twin's silence will be due then. How it stands with the feed that was told.
  void ArmSilence(uint16_t model, Twin& twin, Time due, Duration how, uint64_t told);
  // Whatever it was before, the feed knows now that the twin reports. It was heard before then.
  void ReportToFeed(const journal::RecordView& record, Twin& twin, Time before);
  void LeaveFeed(const journal::RecordView& record, const Twin& twin);
  void ApplyVerdict(const journal::RecordView& record);
  void ApplyDeletion(const journal::RecordView& record);
  void DeleteTwin(uint16_t model, Twin& twin);
  // In profile_change.cc.
  void ApplyProfileChange(const journal::RecordView& record);
  void SetProfile(const journal::RecordView& record, const ProfileChange& change, Twin& twin);
  // Writes a value of the change. False if the field is none of the model's profile any more.
  bool WriteProfileField(const journal::RecordView& record, const std::string& name,
                         const nlohmann::json& value, Twin& twin);
  void ApplyPut(const journal::RecordView& record);  // in put.cc
  void PutAlerts(const nlohmann::json& line, const journal::RecordView& record, Twin& twin);
  void PutTimers(const nlohmann::json& line, const journal::RecordView& record, Twin& twin);
  bool IsBeforeDeletion(const journal::RecordView& record);
  // The values of the record's fields, in values_. False if it was refused.
  bool Decode(const journal::RecordView& record, const Route& route);
  // Whether the twin has had this message; remembers it if not.
  static bool IsRepeat(const journal::RecordView& record, const Route& route, Twin& twin);
  Twin* FindOrCreate(const journal::RecordView& record, bool& is_new);
  // Newest event time wins, field by field.
  void Merge(const model::Model& model, Twin& twin, Time event_time);
  bool RunModel(const journal::RecordView& record, const Route& route, Twin& twin, bool is_new,
                bool is_late);
  // What the last call asked for and does not get.
  void CountDropped(ModelStats& stats) const;
  void Undo(const journal::RecordView& record, Twin& twin, bool is_new);
  void Refuse(const journal::RecordView& record, const Refused& refused);

  // Intents to effects. The route is the one that replies go to, nullptr if they can't.
  void Commit(const journal::RecordView& record, const Route* route, Twin& twin);
  void CommitReply(const journal::RecordView& record, const Route& route, Twin& twin,
                   const Intent& intent);
  // The route's command topic of this twin, in topic_. False if a part of it is unknown.
  bool RenderCommandTopic(const Route& route, const Twin& twin);
  void CommitRaise(const journal::RecordView& record, Twin& twin, const Intent& intent);
  void CommitClear(const journal::RecordView& record, Twin& twin, const Intent& intent);
  // Sends that it is over. REQUIRES: it is among the twin's no more, or the twin goes
  void EndAlert(const journal::RecordView& record, const Twin& twin, Alert& alert);
  void SendAlert(const journal::RecordView& record, const Twin& twin, const Alert& alert,
                 effects::AlertChange change);
  void EmptyAlertTopic(const journal::RecordView& record, const Twin& twin, const Alert& alert);
  // Sends topic_ and payload_.
  void Send(effects::Effect effect, const journal::RecordView& record);
  void RenderAlertTopic(uint16_t model, const Twin& twin, const Alert& alert);

  const World& world_;
  effects::Sink& sink_;
  std::vector<std::unique_ptr<TwinTable>> tables_;  // by model
  Timers timers_;
  AlertIndex open_alerts_;
  std::vector<Timers::Due> due_;  // the last that were taken
  std::optional<Time> listens_since_ = kNoTime;
  TwinMessageReader message_;
  std::vector<journal::OwnedRecord> sent_;
  std::vector<std::unique_ptr<ModelStats>> stats_;
  std::array<Counter, kRefusals> refused_;

  // Records that acknowledged an alert, the last ones: for whoever sent one and asks soon.
  std::array<Lsn, 256> acked_by_{};
  size_t next_acked_by_ = 0;

  // Reused for every record.
  codec::Decoder decoder_;
  Call call_;
  std::vector<gemel_value> values_;
  std::vector<std::byte> undo_;
  std::string topic_;
  std::string payload_;
  uint32_t ordinal_ = 0;  // among the effects of the record
  uint32_t retries_ = 0;  // commands that the record has sent again
  uint32_t changes_ = 0;  // among what has become of commands by the record
  uint32_t derived_ = 0;  // among the timers and messages that it causes
  Lsn applied_ = kNoLsn;
  std::atomic<Lsn> unnoted_{kNoLsn};  // where nobody has named a place
  std::atomic<Lsn>* applying_ = &unnoted_;
  // Of twins that were deleted before a restart, by key; empty but while a journal is replayed.
  std::unordered_map<uint64_t, Lsn> deletions_;
  Lsn last_deletion_ = kNoLsn;
  size_t twins_ = 0;  // of all models
};

}  // namespace gemel::twin
