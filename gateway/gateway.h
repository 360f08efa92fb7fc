#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/admission.h"
#include "gateway/base/clock.h"
#include "gateway/base/parker.h"
#include "gateway/base/status.h"
#include "gateway/base/symbols.h"
#include "gateway/broker_backlog.h"
#include "gateway/compile.h"
#include "gateway/config/config.h"
#include "gateway/effects/fanout.h"
#include "gateway/effects/gate.h"
#include "gateway/effects/outbox.h"
#include "gateway/effects/sender.h"
#include "gateway/effects/sinks.h"
#include "gateway/effects/webhook_sender.h"
#include "gateway/history/alert_log.h"
#include "gateway/history/alert_query.h"
#include "gateway/history/command_query.h"
#include "gateway/http/api.h"
#include "gateway/http/server.h"
#include "gateway/ingest/intake.h"
#include "gateway/journal/attempts.h"
#include "gateway/journal/epoch.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/sequencer.h"
#include "gateway/mqtt/client.h"
#include "gateway/store/recovery.h"
#include "gateway/store/snapshots.h"
#include "gateway/store/store.h"
#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/profile_change.h"
#include "gateway/twin/shard_set.h"

namespace gemel {

// The whole gateway: builds its parts from a configuration, starts them in the order of the data
// path from its end to its beginning, and stops them the other way round. The one place that knows
// them all.
class Gateway {
 public:
  // Loads and checks everything without touching broker, network or journal: what `gemel check`
  // does. `folder` is where the configuration lies.
  static Result<std::unique_ptr<Gateway>> Create(config::Config config,
                                                 const std::filesystem::path& folder);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Raises the epoch, replays the journal, starts effects and last the receiver; HTTP answers from
  // the beginning. Unavailable if the journal or the port can't be had, Damaged or Invalid if the
  // journal can't be replayed; a broker that is away is not an error: connecting goes on.
  Status Start();
  // Takes nothing new, applies what was taken, sends what was decided, and disconnects. False if
  // effects were left unsent within `patience`.
  bool Stop(std::chrono::milliseconds patience);

  // Instead of Start: puts twins from a file of `gemel export` in the place of what is known of
  // them, so that the next start has them. A file of which a line is refused changes nothing.
  // NotFound if there is no such file; Invalid, naming file, line and what is wrong, also for a
  // twin that there is already, unless it `replaces` those; Unavailable while a gateway runs.
  Result<uint64_t> Import(const std::filesystem::path& path, bool replaces);

  // Whether messages really flow, and if not, the sentence that says why. Any thread.
  http::Readiness readiness() const;
  uint64_t twins() const;
  // REQUIRES: Start() has succeeded
  uint16_t http_port() const { return server_->port(); }
  const config::Config& config() const { return config_; }

 private:
  explicit Gateway(config::Config config);
  void MakeParts();
  Status CheckImport(const std::filesystem::path& path, bool replaces);
  Result<uint64_t> AppendImport(const std::filesystem::path& path);
  Status RecoverTwins();
  // Records that crash the process: named in the journal, so that no replay applies them; told, and
  // refused should the broker bring them once more.
  Status SetAside(const std::vector<store::SetAside>& records);
  // What twins had sent to each other when the last process ended, and had not been written.
  Status AppendUnsent(const store::Recovered& recovered);
  Status StartReceiver();
  void DropSegments(Lsn checkpoint);
  void KeepBases(Lsn checkpoint);
  // Why no more messages may come; empty if they may.
  std::string WhyHeld() const;
  Result<std::string> Why(EffectId alert, size_t records);
  // See http::Sources.
  Result<http::AckAnswer> Acknowledge(EffectId alert, const twin::AckText& ack);
  // What the shard says of a record that acknowledges an alert; nothing before it is applied.
  Result<std::optional<std::string>> WhatAckDid(const twin::AckOfAlert& ack,
                                                const twin::AlertOwner& owner, Lsn record);
  bool RecordDone(std::span<const EffectId> effects);
  bool RecordEnded(std::string_view webhook, std::span<const effects::EndedEffect> effects);
  // Appends it once there is room for it; kFull if there is none within `patience`.
  journal::Sequencer::Outcome AppendWithin(std::chrono::milliseconds patience,
                                           journal::Record& record);
  // False if it can't be appended now; ends the process if the disk fails.
  bool AppendNote(journal::Record record);
  Status EnrolWebhooks();
  Status OpenHistory();
  Result<std::string> AlertHistory(const history::AlertQuery& query) const;
  Result<std::string> SendCommand(const http::Addressee& to, const twin::Order& order);
  Result<std::string> Commands(const history::CommandQuery& query) const;
  // See http::Sources.
  Result<bool> SetProfile(const http::Addressee& to, const nlohmann::json& fields, bool creates);
  Result<Lsn> AppendProfile(uint16_t model, std::string_view id, const twin::ProfileChange& change);
  // Whether the twin's shard has come so far; waits for it, seconds at most.
  bool AwaitApplied(uint64_t key_hash, Lsn record);
  // Twins that were there before have the values of profile files as they are now.
  Status ApplyProfileFiles();
  // The profile fields, of which nobody has said anything since, where the file has other values.
  nlohmann::json OtherThanItsFile(const twin::ModelEntry& entry, const twin::Twin& twin) const;
  void SayDropped() const;
  store::Store::WebhookEffects WaitingForWebhooks() const;
  // What a snapshot is made of.
  store::Store::Sources SnapshotSources();
  Status StartHttp();
  http::IntakeCounts IntakeCounts() const;
  http::StorageCounts StorageCounts() const;
  void OnReceiverState(bool is_receiving, std::string_view why);
  void PublishStatus();

  const config::Config config_;
  const SystemClock clock_;
  Symbols symbols_;
  std::optional<Compiled> compiled_;
  std::unique_ptr<history::AlertLog> history_;
  Parker effects_parker_;
  // In the order of the way back: a model's effects go to the last of them first.
  effects::Outbox outbox_;
  effects::WebhookSender webhooks_;
  effects::Sinks sinks_;
  effects::Gate gate_;
  effects::Fanout fanout_;
  store::RecoveryProgress recovery_;
  std::atomic<bool> has_recovered_{false};
  std::atomic<bool> is_started_{false};  // all parts are there, for threads of HTTP
  std::atomic<bool> is_receiving_{false};
  std::atomic<int64_t> since_ms_{0};  // of is_receiving_
  std::mutex story_mutex_;            // one story at a time, because each reads much of the journal

  // In the order of their construction; destroyed the other way round.
  std::optional<journal::Epoch> epoch_;
  std::unique_ptr<journal::Attempts> attempts_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<mqtt::Publisher> publisher_;
  std::unique_ptr<effects::Sender> sender_;
  std::unique_ptr<twin::ShardSet> shards_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<journal::Sequencer> sequencer_;
  std::unique_ptr<ingest::Intake> intake_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<mqtt::Receiver> receiver_;
  std::unique_ptr<BrokerBacklog> backlog_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<store::Snapshots> snapshots_;
};

}  // namespace gemel
