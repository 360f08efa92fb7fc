#include "gateway/gateway.h"

#include <algorithm>
#include <iterator>
#include <latch>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/end_process.h"
#include "gateway/base/log.h"
#include "gateway/journal/retention.h"
#include "gateway/journal/skipped.h"
#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "gateway/playback/why.h"
#include "gateway/store/bases.h"
#include "gateway/version.h"
#include "gateway/webhooks.h"

namespace gemel {
namespace {

mqtt::Connection ToConnection(const config::Mqtt& mqtt) {
  return {.uri = mqtt.uri,
          .client_id = mqtt.client_id,
          .version =
              mqtt.version == config::MqttVersion::k311 ? mqtt::Version::k311 : mqtt::Version::k5,
          .keepalive = mqtt.keepalive,
          .session_expiry = mqtt.session_expiry,
          .receive_maximum = mqtt.receive_maximum,
          .username = mqtt.username,
          .password = mqtt.password,
          .ca_file = mqtt.ca_file,
          .certificate_file = mqtt.certificate_file,
          .key_file = mqtt.key_file,
          .verify_server = mqtt.verify_server,
          .reconnect_min = mqtt.reconnect_min,
          .reconnect_max = mqtt.reconnect_max};
}

constexpr const char* kOffline = R"({"state":"offline"})";
// How long a message may wait inside the receiver's callback, whatever the keepalive: a stop waits
// as long.
constexpr std::chrono::milliseconds kIntakePatienceMax{15'000};
constexpr std::chrono::milliseconds kDrainPoll{10};
constexpr std::chrono::seconds kUnsentPatience{10};
constexpr std::chrono::minutes kBasesApartMin{1};
// How long a stop waits for webhooks, whose alerts are kept for the next start in any case.
constexpr std::chrono::milliseconds kWebhookPatience{2'000};

// How long a snapshot waits for the history, which has lost changes then if the process is killed.
constexpr std::chrono::milliseconds kHistoryPatience{10'000};

int64_t Milliseconds(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

}  // namespace

Gateway::Gateway(config::Config config)
    : config_(std::move(config)),
      outbox_(config_.outbox.size, effects_parker_, ToWhenFull(config_.outbox.when_full)),
      webhooks_(WebhooksOf(config_), clock_),
      sinks_(outbox_, webhooks_),
      gate_(sinks_),
      fanout_(gate_, FiltersOf(config_), effects::Fanout::History::kKept) {}

Gateway::~Gateway() {
  if (shards_) Stop(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<Gateway>> Gateway::Create(config::Config config,
                                                 const std::filesystem::path& folder) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::move(config)));
  GEMEL_TRY_LET(gateway->compiled_, Compile(gateway->config_, folder, gateway->symbols_));
  return gateway;
}

Status Gateway::Start() {
  GEMEL_TRY_LET(epoch_, journal::Epoch::Raise(config_.journal.path));  // first: it holds the lock
  GEMEL_TRY_LET(attempts_, journal::Attempts::Open(config_.journal.path, epoch_->number()));
  since_ms_ = Milliseconds(clock_.Now());
  MakeParts();
  GEMEL_TRY(StartHttp());
  GEMEL_TRY(RecoverTwins());
  GEMEL_TRY(ApplyProfileFiles());
  PublishStatus();
  sender_->Start();
  webhooks_.Start([this](auto webhook, auto effects) { return RecordEnded(webhook, effects); });
  log::Info("epoch={} models={} routes={} shards={} http={}", epoch_->number(),
            compiled_->world.models.size(), compiled_->world.routes.size(), shards_->size(),
            server_->address());
  backlog_ = std::make_unique<BrokerBacklog>(
      config_.mqtt.backlog_wait,
      [this] {
        uint64_t heard = intake_->stats().profiles.value();
        for (const Counter& received : intake_->stats().received) heard += received.value();
        return heard;
      },
      [this] { shards_->SetTiming(true); });
  GEMEL_TRY(StartReceiver());  // last: no telemetry arrives before its twin can
  admission_ =
      std::make_unique<Admission>(Admission::Hooks{.why_held = [this] { return WhyHeld(); },
                                                   .stop = [this] { receiver_->Stop(); },
                                                   .start = [this] { return StartReceiver(); }});
  snapshots_ = std::make_unique<store::Snapshots>(
      *store_, SnapshotSources(),
      store::SnapshotOptions{.every = config_.store.snapshot_every,
                             .on_durable = [this](Lsn checkpoint) { DropSegments(checkpoint); }});
  is_started_.store(true, std::memory_order_release);
  return Status::Ok();
}

Status Gateway::RecoverTwins() {
  GEMEL_TRY_LET(store_, store::Store::Open(config_.store.path, compiled_->world, *shards_));
  GEMEL_TRY_LET(const store::Restored restored, store_->Restore(gate_));
  const Lsn highest = std::max(restored.highest_checkpoint, restored.highest_row);
  if (highest >= MakeLsn(epoch_->number(), 0)) {
    return Damaged(fmt::format(
        "{}: it knows records of epoch {}, and the journal in {} is in epoch {}: they "
        "do not belong together. Restore the journal, or move the database away as well",
        config_.store.path.string(), highest >> kLsnCounterBits, config_.journal.path.string(),
        epoch_->number()));
  }
  GEMEL_TRY(EnrolWebhooks());
  GEMEL_TRY(OpenHistory());
  shards_->ListensSince(std::nullopt);
  shards_->Start(*sequencer_);
  const journal::Catalog catalog = store::CatalogOf(compiled_->world);
  GEMEL_TRY_LET(
      const store::Recovered recovered,
      store::Recover(
          {.journal = config_.journal.path,
           .checkpoint = restored.checkpoint,
           .newest = restored.highest_row,
           .on_done = [this](EffectId id, std::string_view sink) { gate_.MarkDone(id, sink); },
           .attempts = attempts_.get()},
          catalog, symbols_, *sequencer_, *shards_, recovery_));
  GEMEL_TRY_LET(journal_, journal::Journal::Open({.folder = config_.journal.path,
                                                  .segment_bytes = config_.journal.segment_size,
                                                  .sync_every = config_.journal.sync_every},
                                                 recovered.end));
  sequencer_->Attach(*journal_, catalog, recovered.last);
  shards_->GoLive();
  const uint64_t unsent = gate_.Open(sequencer_->Now());
  history_->HoldWhenFull(false);
  GEMEL_TRY(SetAside(recovered.set_aside));
  GEMEL_TRY(AppendUnsent(recovered));
  has_recovered_ = true;
  SayDropped();
  log::Info("recovered=true restored={} records={} twins={} unsent={}", restored.twins,
            recovered.records, twins(), unsent);
  if (recovered.torn_bytes > 0 || recovered.lost_segments > 0) {
    log::Warning("journal=cut bytes={} segments={} because={}", recovered.torn_bytes,
                 recovered.lost_segments,
                 log::Quoted("that was being written when the process or the machine stopped, and "
                             "nobody was told that it is safe"));
  }
  return Status::Ok();
}

Status Gateway::SetAside(const std::vector<store::SetAside>& records) {
  if (!records.empty()) {
    std::vector<Lsn> lsns;
    lsns.reserve(records.size());
    for (const store::SetAside& record : records) lsns.push_back(record.view().lsn());
    std::string payload;
    journal::EncodeSkipped(lsns, payload);
    std::vector<journal::Record> frame = {
        {.kind = journal::RecordKind::kSkipped, .payload = payload}};
    // A timer that is not told to its model has been due all the same, or it would be so again.
    for (const store::SetAside& record : records) {
      const journal::RecordView view = record.view();
      if (view.kind() != journal::RecordKind::kTimer) continue;
      frame.push_back({.kind = journal::RecordKind::kTimerMissed,
                       .model = view.model(),
                       .key_hash = view.key_hash(),
                       .event_time = view.event_time(),
                       .cause = view.cause(),
                       .id = view.id(),
                       .payload = view.payload()});
    }
    // The first of this process: those who replay look for it nowhere else.
    if (sequencer_->Append(frame) != journal::Sequencer::Outcome::kAppended)
      return Unavailable("records that crash this process cannot be journaled as set aside");
    GEMEL_TRY(journal_->Sync());
  }
  GEMEL_TRY(attempts_->ForgetAll());
  std::latch told(static_cast<std::ptrdiff_t>(records.size()));
  for (const store::SetAside& record : records) {
    const journal::RecordView view = record.view();
    const bool is_asked =
        shards_->Ask(sequencer_->ShardOf(view.key_hash()), [&told, view](twin::Engine& engine) {
          engine.SetAside(view);
          told.count_down();
          return true;
        });
    if (!is_asked) told.count_down();
    const bool may_come_again = view.kind() == journal::RecordKind::kTelemetry ||
                                view.kind() == journal::RecordKind::kProfileChanged;
    if (may_come_again) intake_->RefuseOnce(view);
  }
  told.wait();
  return Status::Ok();
}

Status Gateway::AppendUnsent(const store::Recovered& recovered) {
  if (recovered.differing > 0) {
    log::Warning("replayed_otherwise={} because={}", recovered.differing,
                 log::Quoted("twins have sent other messages to each other than before: a model "
                             "looks at more than its arguments, or is another one"));
  }
  for (const journal::OwnedRecord& owned : recovered.unsent) {
    journal::Record record = owned.view();
    // They may fill a segment before the next one is ready.
    if (AppendWithin(kUnsentPatience, record) != journal::Sequencer::Outcome::kAppended)
      return Unavailable("messages between twins that the journal lacks cannot be journaled");
  }
  return Status::Ok();
}

Status Gateway::EnrolWebhooks() {
  std::vector<std::string> names;
  for (const config::Webhook& webhook : config_.webhooks) names.push_back(webhook.name);
  GEMEL_TRY_LET(auto since, store_->EnrolWebhooks(names, MakeLsn(epoch_->number(), 0)));
  sinks_.SetSince(std::move(since));
  return Status::Ok();
}

void Gateway::SayDropped() const {
  for (const auto& [name, effects] : sinks_.dropped()) {
    log::Warning("webhook=gone name={} dropped={} because={}", log::Quoted(name), effects,
                 log::Quoted("these alerts were decided when the configuration had another webhook "
                             "of this name, or none"));
  }
}

store::Store::Sources Gateway::SnapshotSources() {
  return {.sequencer = *sequencer_,
          .journal = *journal_,
          .effects = [this] { return sender_->Unacknowledged(); },
          .webhook_effects = [this] { return WaitingForWebhooks(); },
          .before_commit = [this] { static_cast<void>(history_->Flush(kHistoryPatience)); }};
}

store::Store::WebhookEffects Gateway::WaitingForWebhooks() const {
  store::Store::WebhookEffects all;
  for (const auto& outbox : webhooks_.outboxes())
    std::ranges::copy(outbox->Waiting(), std::back_inserter(all));
  return all;
}

void Gateway::DropSegments(Lsn checkpoint) {
  const auto kept = journal::DropSegments(
      config_.journal.path, checkpoint,
      {.time = config_.journal.retention_time, .bytes = config_.journal.retention_size},
      sequencer_->Now());
  if (!kept.ok()) {
    log::Warning("journal=kept because={}", log::Quoted(kept.status().message()));
    return;
  }
  if (kept->dropped > 0)
    log::Info("journal_segments_dropped={} bytes={}", kept->dropped, kept->bytes);
  KeepBases(checkpoint);
}

void Gateway::KeepBases(Lsn checkpoint) {
  const uint32_t bases = config_.journal.retention_bases;
  if (bases == 0) return;
  const auto is_made = store::KeepBases(
      config_.store.path, config_.journal.path, checkpoint,
      {.bytes = std::max(config_.journal.retention_size / bases, config_.journal.segment_size),
       .time = std::max<std::chrono::milliseconds>(config_.journal.retention_time / bases,
                                                   kBasesApartMin)},
      clock_.Now());
  if (!is_made.ok()) {
    log::Warning("base=missing because={}", log::Quoted(is_made.status().message()));
  } else if (*is_made) {
    log::Info("base=made checkpoint={:x}", checkpoint);
  }
}

Result<std::string> Gateway::Why(EffectId alert, size_t records) {
  const std::unique_lock lock(story_mutex_, std::try_to_lock);
  if (!lock) return Unavailable("another story is being told; try again");
  const playback::History history{
      .journal = config_.journal.path,
      .bases = store::FindBases(store::BasesFolder(config_.store.path))};
  GEMEL_TRY_LET(const auto story, playback::Why(alert, history, compiled_->world, records));
  // Devices may have sent anything.
  return story.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Status Gateway::StartReceiver() {
  return receiver_->Start(
      compiled_->subscriptions, [this](const mqtt::Inbound& message) { intake_->Handle(message); },
      [this](bool is_receiving, std::string_view why) { OnReceiverState(is_receiving, why); });
}

std::string Gateway::WhyHeld() const {
  // While the last segment has room for what is on its way.
  if (const Status failure = journal_->spare_failure(); !failure.ok()) return failure.message();
  if (!intake_->is_overloaded() || intake_->HasRecovered()) return "";
  return sinks_.is_over() ? sinks_.why_over() : "more than journal.lag_max waits to be applied";
}

bool Gateway::RecordDone(std::span<const EffectId> effects) {
  std::string payload;
  journal::EncodeSent(effects, payload);
  return AppendNote({.kind = journal::RecordKind::kEffectsSent, .payload = payload});
}

bool Gateway::RecordEnded(std::string_view webhook, std::span<const effects::EndedEffect> effects) {
  std::string payload;
  journal::EncodeOutcomes(effects, payload);
  return AppendNote(
      {.kind = journal::RecordKind::kEffectOutcome, .id = webhook, .payload = payload});
}

journal::Sequencer::Outcome Gateway::AppendWithin(std::chrono::milliseconds patience,
                                                  journal::Record& record) {
  const auto until = std::chrono::steady_clock::now() + patience;
  auto outcome = sequencer_->Append({&record, 1});
  while (outcome == journal::Sequencer::Outcome::kFull &&
         std::chrono::steady_clock::now() < until) {
    sequencer_->WaitForRoom(kDrainPoll);
    outcome = sequencer_->Append({&record, 1});
  }
  return outcome;
}

bool Gateway::AppendNote(journal::Record record) {
  const auto outcome = sequencer_->Append({&record, 1});
  if (outcome == journal::Sequencer::Outcome::kFailed) EndProcess(sequencer_->failure());
  return outcome == journal::Sequencer::Outcome::kAppended;
}

void Gateway::MakeParts() {
  const twin::World& world = compiled_->world;
  const std::string status_topic = ingest::StatusTopic(config_.root);
  publisher_ = mqtt::MakePahoPublisher(
      ToConnection(config_.mqtt),
      {.topic = status_topic, .payload = kOffline, .qos = 1, .is_retained = true, .expiry = {}});
  sender_ = std::make_unique<effects::Sender>(
      outbox_, effects_parker_, *publisher_, clock_,
      effects::SenderOptions{.status_topic = status_topic,
                             .offline_status = kOffline,
                             .models = world.models.size(),
                             .notices = {.per_twin = config_.alerts.twin_notices_per_minute,
                                         .per_model = config_.alerts.model_notices_per_minute},
                             .reconnect_min = config_.mqtt.reconnect_min,
                             .reconnect_max = config_.mqtt.reconnect_max,
                             .refresh_status = [this] { PublishStatus(); },
                             .on_done = [this](auto effects) { return RecordDone(effects); }});
  shards_ =
      std::make_unique<twin::ShardSet>(world, fanout_, config_.shards, config_.limits.mailbox);
  for (uint32_t shard = 0; shard < shards_->size(); ++shard)
    shards_->engine(shard).NoteIn(attempts_->slot(shard));
  sequencer_ = std::make_unique<journal::Sequencer>(epoch_->number(), clock_, shards_->inboxes());
  intake_ = std::make_unique<ingest::Intake>(
      world, std::move(compiled_->plans), std::move(compiled_->router), *sequencer_, &sinks_,
      outbox_, clock_,
      ingest::IntakeOptions{
          .payload_bytes_max = config_.limits.payload_max,
          .receive_maximum = config_.mqtt.receive_maximum,
          .event_time_ahead_max = config_.limits.event_time_ahead,
          .lag_max = config_.journal.lag_max,
          .drops_on_overload = config_.overload == config::Overload::kDrop,
          .patience =
              std::min(std::chrono::milliseconds(config_.mqtt.keepalive) / 4, kIntakePatienceMax),
          .find_alert = [this](EffectId alert) { return shards_->FindAlert(alert); },
          .command_acks = compiled_->command_acks ? &*compiled_->command_acks : nullptr,
          .profile_topics = compiled_->profile_topics ? &*compiled_->profile_topics : nullptr,
          .on_status = [this](std::string_view status) { backlog_->OnStatus(status); }});
  receiver_ = mqtt::MakePahoReceiver(ToConnection(config_.mqtt));
}

Status Gateway::StartHttp() {
  http::Sources sources{
      .world = compiled_->world,
      .shards = *shards_,
      .outbox = outbox_,
      .now = [this] { return sequencer_->Now(); },
      .readiness = [this] { return readiness(); },
      .intake = [this] { return IntakeCounts(); },
      .storage = [this] { return StorageCounts(); },
      .sender = &sender_->stats(),
      .webhooks = webhooks_.outboxes(),
      .version = kVersion,
      .why = [this](EffectId alert, size_t records) { return Why(alert, records); },
      .acknowledge = [this](EffectId alert,
                            const twin::AckText& ack) { return Acknowledge(alert, ack); },
      .alert_history = [this](const history::AlertQuery& query) { return AlertHistory(query); },
      .send_command = [this](const http::Addressee& to,
                             const twin::Order& order) { return SendCommand(to, order); },
      .set_profile = [this](const http::Addressee& to, const nlohmann::json& fields,
                            bool creates) { return SetProfile(to, fields, creates); },
      .commands = [this](const history::CommandQuery& query) { return Commands(query); }};
  GEMEL_TRY_LET(server_, http::Server::Start({.host = config_.http.listen.host,
                                              .port = config_.http.listen.port,
                                              .hosts = config_.http.hosts},
                                             http::MakeApi(std::move(sources))));
  return Status::Ok();
}

http::StorageCounts Gateway::StorageCounts() const {
  http::StorageCounts counts{.lag_bytes = sequencer_->lag()};
  if (!is_started_.load(std::memory_order_acquire)) return counts;
  counts.journal_bytes = journal_->appended_bytes();
  counts.history_written = history_->written();
  counts.history_dropped = history_->dropped();
  counts.snapshot_age_seconds = std::chrono::duration<double>(snapshots_->age()).count();
  counts.snapshot_seconds = std::chrono::duration<double>(snapshots_->last_duration()).count();
  counts.snapshots = snapshots_->taken();
  counts.twins_saved = snapshots_->twins_saved();
  counts.has_failed = !snapshots_->failure().empty();
  return counts;
}

http::IntakeCounts Gateway::IntakeCounts() const {
  http::IntakeCounts counts;
  for (const Counter& received : intake_->stats().received)
    counts.received.push_back(received.value());
  for (size_t i = 0; i < kRefusals; ++i) counts.refused[i] = intake_->stats().refused[i].value();
  counts.symbols_refused = intake_->stats().symbols_refused.value();
  counts.profiles = intake_->stats().profiles.value();
  return counts;
}

bool Gateway::Stop(std::chrono::milliseconds patience) {
  if (server_) server_->Stop();  // it asks all others
  admission_.reset();
  // Intake first, then what it fed, in the order of the data path. The session stays at the broker,
  // which keeps what comes meanwhile.
  if (receiver_) receiver_->Stop();
  backlog_.reset();
  if (shards_) shards_->SetTiming(false);
  while (sequencer_ && sequencer_->lag() > 0) sequencer_->WaitForRoom(kDrainPoll);
  const bool is_drained = !sender_ || sender_->DrainAndStop(patience);
  webhooks_.Stop(std::min(patience, kWebhookPatience));
  if (snapshots_) snapshots_->Stop();
  if (shards_) shards_->DrainAndStop();
  snapshots_.reset();
  shards_.reset();
  return is_drained;
}

void Gateway::OnReceiverState(bool is_receiving, std::string_view why) {
  if (is_receiving_.load() != is_receiving) {
    const int64_t since_ms = Milliseconds(clock_.Now());
    // Before anybody can have said so.
    if (is_receiving) backlog_->Begin(since_ms);
    is_receiving_ = is_receiving;
    since_ms_ = since_ms;
  }
  // While nobody can be heard nobody is silent, and afterwards everybody has all the time again.
  shards_->ListensSince(is_receiving ? std::optional(sequencer_->Now()) : std::nullopt);
  if (is_receiving) {
    log::Info("receiver=receiving because={}", log::Quoted(why));
  } else {
    log::Warning("receiver=away because={}", log::Quoted(why));
  }
  PublishStatus();
}

void Gateway::PublishStatus() {
  sender_->SetStatus(
      fmt::format(R"({{"state":"online","receiving":{},"since_ms":{},"twins":{},"version":"{}"}})",
                  is_receiving_.load(), since_ms_.load(), twins(), kVersion));
}

uint64_t Gateway::twins() const {
  uint64_t twins = 0;
  for (size_t model = 0; model < compiled_->world.models.size(); ++model)
    twins += shards_->twins(model);
  return twins;
}

http::Readiness Gateway::readiness() const {
  if (!has_recovered_.load())
    return {false, fmt::format("the journal is replayed: {:.0f} %", 100 * recovery_.share())};
  if (is_started_.load(std::memory_order_acquire)) {
    if (std::string why = admission_->why_held(); !why.empty()) return {false, std::move(why)};
  }
  if (!is_receiving_.load()) return {false, "not connected and subscribed to the broker"};
  if (!sender_->is_connected())
    return {false, "the publishing client is not connected to the broker"};
  if (sinks_.is_over()) return {false, sinks_.why_over()};
  return {true, ""};
}

}  // namespace gemel
