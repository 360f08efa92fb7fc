#include "gateway/ingest/intake.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <chrono>

#include "gateway/base/crash_point.h"
#include "gateway/base/end_process.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/text.h"
#include "gateway/effects/payload.h"
#include "gateway/model/profile.h"
#include "gateway/route/id.h"
#include "gateway/twin/acknowledgement.h"
#include "gateway/twin/command.h"
#include "gateway/twin/profile_change.h"

namespace gemel::ingest {
namespace {

constexpr size_t kStatusBytesMax = 1'024;

constexpr std::chrono::milliseconds kRoomPatience{10};

uint64_t HashText(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

// Of what a message says: the same if the broker brings it again, as a profile that it has
// retained.
uint64_t HashOfSaid(journal::RecordKind kind, std::string_view payload) {
  if (kind != journal::RecordKind::kProfileChanged) return HashText(payload);
  const auto change = twin::DecodeProfileChange(payload);
  return change ? HashText(change->set.dump()) : 0;
}

}  // namespace

std::string AckTopic(std::string_view root) { return std::string(root) + "/alerts/ack/"; }

std::string StatusTopic(std::string_view root) { return std::string(root) + "/status"; }

Intake::Intake(const twin::World& world, std::vector<Plan> plans, route::Router router,
               journal::Sequencer& sequencer, const effects::Backlog* backlog,
               effects::Sink& dead_letters, const Clock& clock, IntakeOptions options)
    : world_(world),
      plans_(std::move(plans)),
      router_(std::move(router)),
      ack_topic_(AckTopic(world.root)),
      status_topic_(StatusTopic(world.root)),
      sequencer_(sequencer),
      backlog_(backlog),
      dead_letters_(dead_letters),
      clock_(clock),
      options_(std::move(options)) {
  stats_.received = std::vector<Counter>(plans_.size());
}

void Intake::Handle(const mqtt::Inbound& message) {
  if (const auto refused = Accept(message)) {
    stats_.refused[static_cast<size_t>(refused->reason)].Add();
    SendDeadLetter(message, *refused);
  }
  CrashPoint("intake.taken");  // and not acknowledged yet
}

std::optional<Refused> Intake::Accept(const mqtt::Inbound& message) {
  route::Match match;
  if (message.topic.size() > kTopicBytesMax || !router_.Find(message.topic, match))
    return AcceptOther(message);
  stats_.received[match.route].Add();
  if (auto refused = CheckSize(message)) return refused;
  if (auto refused = MakeRecords(message, match)) return refused;
  if (!crashers_.empty()) [[unlikely]]
    RefuseCrashers(message);
  // With an envelope each reading has the topic's symbols over again.
  InternSymbols(plans_[match.route].envelope ? topic_symbols_ : 0);
  return Append();
}

std::optional<Refused> Intake::AcceptOther(const mqtt::Inbound& message) {
  if (message.topic.starts_with(ack_topic_)) return AcceptAck(message);
  if (message.topic == status_topic_) {
    // What is longer is none of ours.
    const bool is_ours = !message.is_retained && message.payload.size() <= kStatusBytesMax;
    if (options_.on_status && is_ours) options_.on_status(message.payload);
    return std::nullopt;
  }
  route::Match match;
  const auto matches = [&](const DeviceTopics* topics) {
    return topics != nullptr && message.topic.size() <= kTopicBytesMax &&
           topics->router.Find(message.topic, match);
  };
  if (matches(options_.command_acks)) return AcceptCommandReply(message, match);
  if (matches(options_.profile_topics)) return AcceptProfile(message, match);
  if (auto why = route::CheckTopic(message.topic)) return Refused{Refusal::kTopicInvalid, *why};
  return Refused{Refusal::kUnroutable, "no route maps the topic " + Quote(message.topic)};
}

std::optional<Refused> Intake::CheckSize(const mqtt::Inbound& message) const {
  if (message.payload.size() <= options_.payload_bytes_max) return std::nullopt;
  return Refused{Refusal::kPayloadTooLarge,
                 fmt::format("{} bytes; limits.payload_max allows {}", message.payload.size(),
                             options_.payload_bytes_max)};
}

std::optional<Refused> Intake::AcceptAck(const mqtt::Inbound& message) {
  const std::string_view text = message.topic.substr(ack_topic_.size());
  const auto refuse = [](std::string why) { return Refused{Refusal::kAckInvalid, std::move(why)}; };
  const auto alert = ParseEffectId('a', text);
  if (!alert) return refuse(Quote(text) + " is no alert's id, like a-1a2b-0");
  // Said long ago, perhaps of an alert that has become worse since.
  if (message.is_retained) return refuse("it was retained by the broker: publish it unretained");
  if (auto refused = CheckSize(message)) return refused;
  auto ack = twin::ReadAckText(message.payload);
  if (!ack.ok()) return refuse(ack.status().message());
  const auto owner = options_.find_alert ? options_.find_alert(*alert) : std::nullopt;
  if (!owner) return refuse(fmt::format("no alert {} is active or waits to be acknowledged", text));
  const std::string payload = twin::EncodeAck({*alert, *std::move(ack)});
  records_.assign(1, {.kind = journal::RecordKind::kAlertAcknowledged,
                      .model = owner->model,
                      .key_hash = owner->key_hash,
                      .id = owner->id,
                      .payload = payload});
  return Append();
}

std::optional<Refused> Intake::AcceptCommandReply(const mqtt::Inbound& message,
                                                  const route::Match& match) {
  const DeviceTopics& acks = *options_.command_acks;
  const std::string_view id = match.values[acks.ids[match.route]];
  if (const auto wrong = route::CheckId(id)) return Refused{Refusal::kIdInvalid, *wrong};
  if (message.is_retained) {
    return Refused{Refusal::kAckInvalid, "it was retained by the broker: publish it unretained"};
  }
  if (auto refused = CheckSize(message)) return refused;
  const auto reply = twin::ReadCommandReply(message.payload);
  if (!reply.ok()) return Refused{Refusal::kAckInvalid, reply.status().message()};
  const std::string payload = twin::EncodeCommandReply(*reply);
  const uint16_t model = acks.models[match.route];
  records_.assign(1, {.kind = journal::RecordKind::kCommandReply,
                      .model = model,
                      .key_hash = HashKey(world_.models[model].model->name(), id),
                      .id = id,
                      .payload = payload});
  return Append();
}

std::optional<Refused> Intake::AcceptProfile(const mqtt::Inbound& message,
                                             const route::Match& match) {
  const DeviceTopics& topics = *options_.profile_topics;
  const std::string_view id = match.values[topics.ids[match.route]];
  if (const auto wrong = route::CheckId(id)) return Refused{Refusal::kIdInvalid, *wrong};
  if (auto refused = CheckSize(message)) return refused;
  const uint16_t index = topics.models[match.route];
  const model::Model& model = *world_.models[index].model;
  auto fields = nlohmann::json::object();
  if (message.payload.empty()) {
    // Nothing is retained any more, so the topic says nothing of any field.
    for (const gemel_field& field : model.fields()) {
      if (model::IsOfProfile(field)) fields[field.name] = nullptr;
    }
  } else if (auto refused = twin::ReadProfileFields(message.payload, model.fields(), fields)) {
    return refused;
  }
  stats_.profiles.Add();
  twin::ProfileChange change = twin::ChangeOf(fields, world_.models[index], id, *world_.symbols);
  change.teller = message.is_retained ? twin::Teller::kRetained : twin::Teller::kTopic;
  change.creates = !message.payload.empty();
  const auto symbols = twin::InternProfile(change, model, *world_.symbols);
  if (!symbols.ok()) return Refused{Refusal::kFieldInvalid, symbols.status().message()};
  const std::string payload = twin::EncodeProfileChange(change);
  records_.assign(1, {.kind = journal::RecordKind::kProfileChanged,
                      .model = index,
                      .key_hash = HashKey(model.name(), id),
                      .id = id,
                      .payload = payload,
                      .symbols = *symbols});
  if (!crashers_.empty()) [[unlikely]]
    RefuseCrashers(message);
  return Append();
}

void Intake::RefuseOnce(const journal::RecordView& record) {
  crashers_.push_back({record.route(), record.item(), record.key_hash(),
                       HashOfSaid(record.kind(), record.payload())});
}

void Intake::RefuseCrashers(const mqtt::Inbound& message) {
  std::erase_if(records_, [&](const journal::Record& record) {
    const auto found =
        std::ranges::find(crashers_, Crasher{record.route, record.item, record.key_hash,
                                             HashOfSaid(record.kind, record.payload)});
    if (found == crashers_.end()) return false;
    crashers_.erase(found);
    stats_.refused[static_cast<size_t>(Refusal::kModelCrashed)].Add();
    SendDeadLetter(message, {Refusal::kModelCrashed,
                             fmt::format("item {}: it came again, and the process ended twice "
                                         "while it was applied",
                                         record.item)});
    return true;
  });
  // What was not acknowledged comes before anything new.
  if (++handled_ >= options_.receive_maximum) crashers_.clear();
}

std::optional<Refused> Intake::MakeRecords(const mqtt::Inbound& message,
                                           const route::Match& match) {
  records_.clear();
  symbols_.clear();
  symbol_texts_.clear();
  captures_.clear();
  ids_.clear();
  const Plan& plan = plans_[match.route];
  journal::Record record;
  record.model = world_.routes[match.route].model;
  record.route = static_cast<uint16_t>(match.route);
  record.codec = static_cast<uint8_t>(plan.codec);
  record.payload = message.payload;
  if (auto refused = ReadCaptures(message, match, record)) return refused;
  topic_symbols_ = symbols_.size();
  if (plan.envelope) return AddReadings(plan, message.payload, record);
  record.symbols = symbols_;
  record.captures = captures_;
  record.key_hash = HashKey(world_.models[record.model].model->name(), record.id);
  records_.push_back(record);
  return std::nullopt;
}

std::optional<Refused> Intake::ReadCaptures(const mqtt::Inbound& message, const route::Match& match,
                                            journal::Record& record) {
  const Plan& plan = plans_[match.route];
  for (size_t i = 0; i < plan.captures.size(); ++i) {
    const Capture& capture = plan.captures[i];
    const std::string_view text = match.values[i];
    switch (capture.kind) {
      case Capture::Kind::kId:
        if (auto why = route::CheckId(text)) return Refused{Refusal::kIdInvalid, *why};
        record.id = text;
        break;
      case Capture::Kind::kSymbol:
        // It becomes a level of command topics, so it must be as clean as an id.
        if (auto why = route::CheckId(text)) return Refused{Refusal::kTopicInvalid, *why};
        AddSymbol(capture.field, text);
        break;
      case Capture::Kind::kScalar:
        if (auto why = route::CheckId(text)) return Refused{Refusal::kTopicInvalid, *why};
        captures_.push_back({capture.field, text});
        break;
      case Capture::Kind::kFieldName:
        if (auto refused = AddFieldOfTopic(text, message.payload, record.model)) return refused;
        break;
    }
  }
  return std::nullopt;
}

std::optional<Refused> Intake::AddFieldOfTopic(std::string_view name, std::string_view payload,
                                               uint16_t model) {
  const auto field = world_.models[model].model->FieldIndex(name);
  const std::span<const gemel_field> fields = world_.models[model].model->fields();
  if (!field || fields[*field].source != GEMEL_FROM_TELEMETRY) {
    return Refused{Refusal::kFieldInvalid,
                   fmt::format("{}: model {} has no telemetry field of this name", Quote(name),
                               world_.models[model].model->name())};
  }
  codec::Scalar scalar;
  if (auto refused = codec::ReadText(payload, scalar)) return refused;
  if (scalar.text.size() > UINT16_MAX) {
    return Refused{Refusal::kPayloadInvalid,
                   fmt::format("a scalar of {} bytes; 1 to 65535 are allowed", scalar.text.size())};
  }
  if (fields[*field].type == GEMEL_SYMBOL) {
    if (scalar.text.size() > kSymbolBytesMax) {
      return Refused{Refusal::kFieldInvalid,
                     fmt::format("{}: more than {} bytes", name, kSymbolBytesMax)};
    }
    AddSymbol(static_cast<uint16_t>(*field), scalar.text);
  } else {
    captures_.push_back({static_cast<uint16_t>(*field), scalar.text});
  }
  return std::nullopt;
}

bool Intake::IsTooFarAhead(Time event_time) {
  if (event_time <= latest_allowed_) return false;
  latest_allowed_ = clock_.Now() + options_.event_time_ahead_max;
  return event_time > latest_allowed_;
}

void Intake::AddSymbol(uint16_t field, std::string_view text) {
  symbols_.push_back({field, 0, 0});
  symbol_texts_.push_back(text);
}

// Only once the whole message is accepted: the table is never emptied, so nobody may fill it with
// messages that are refused.
void Intake::InternSymbols(size_t first) {
  for (size_t i = first; i < symbols_.size(); ++i) {
    const std::optional<Symbol> symbol = world_.symbols->Intern(symbol_texts_[i]);
    if (!symbol) stats_.symbols_refused.Add();
    symbols_[i].is_refused = symbol ? 0 : 1;
    symbols_[i].number = symbol ? symbol->number : 0;
  }
}

std::optional<Refused> Intake::AddReadings(const Plan& plan, std::string_view payload,
                                           const journal::Record& base) {
  if (auto refused = reader_.Read(*plan.envelope, payload)) return refused;
  // Records point into these, so they must not move while records are added.
  const std::vector<codec::Reading>& readings = reader_.readings();
  ids_.reserve(readings.size());
  symbols_.reserve(topic_symbols_ + readings.size() * topic_symbols_ + reader_.symbols().size());
  for (const codec::Reading& reading : readings) {
    if (auto refused = AddReading(reading, base)) {
      if (readings.size() > 1) {
        refused->detail = fmt::format("item {}: {}", reading.item, refused->detail);
      }
      return refused;
    }
  }
  return std::nullopt;
}

std::optional<Refused> Intake::AddReading(const codec::Reading& reading,
                                          const journal::Record& base) {
  journal::Record record = base;
  record.item = reading.item;
  record.codec = static_cast<uint8_t>(reading.codec);
  record.payload = reading.payload;
  record.outer = reading.outer;
  record.captures = captures_;
  if (plans_[base.route].has_payload_id) {
    if (auto why = route::EncodeId(reading.id, ids_.emplace_back()))
      return Refused{Refusal::kIdInvalid, *why};
    record.id = ids_.back();
  }
  if (reading.time_us) {
    record.event_time = Time{Duration{*reading.time_us}};
    if (IsTooFarAhead(record.event_time)) {
      return Refused{
          Refusal::kTimeInvalid,
          fmt::format("event time {} us is more than limits.event_time_ahead ahead of the clock",
                      *reading.time_us)};
    }
  }
  if (reading.message_id) {
    record.repeat = journal::RepeatKey::kMessageId;
    record.repeat_key = HashText(*reading.message_id);
  } else if (reading.sequence && plans_[base.route].has_items) {
    // All items may have the number of their message.
    record.repeat = journal::RepeatKey::kMessageId;
    record.repeat_key = HashText(std::to_string(*reading.sequence));
  } else if (reading.sequence) {
    record.repeat = journal::RepeatKey::kSequence;
    record.repeat_key = static_cast<uint64_t>(*reading.sequence);
  }
  const size_t first = symbols_.size();
  for (size_t i = 0; i < topic_symbols_; ++i) AddSymbol(symbols_[i].field, symbol_texts_[i]);
  for (uint32_t i = 0; i < reading.symbols; ++i) {
    const codec::SymbolText& symbol = reader_.symbols()[reading.first_symbol + i];
    AddSymbol(symbol.field, symbol.text);
  }
  record.symbols = std::span(symbols_).subspan(first);
  record.key_hash = HashKey(world_.models[record.model].model->name(), record.id);
  records_.push_back(record);
  return std::nullopt;
}

bool Intake::IsOver() const {
  return (backlog_ != nullptr && backlog_->is_over()) || sequencer_.lag() > options_.lag_max;
}

bool Intake::HasRecovered() const {
  const bool has_sent = backlog_ == nullptr || backlog_->has_recovered();
  return has_sent && sequencer_.lag() <= options_.lag_max / 2;
}

std::optional<Refused> Intake::AwaitRoom() {
  while (IsOver()) {
    if (options_.drops_on_overload) {
      return Refused{Refusal::kOverload, backlog_ != nullptr && backlog_->is_over()
                                             ? backlog_->why_over()
                                             : "more than journal.lag_max waits to be applied"};
    }
    const auto now = std::chrono::steady_clock::now();
    if (!over_since_) over_since_ = now;
    if (std::chrono::floor<std::chrono::milliseconds>(now - *over_since_) >= options_.patience) {
      is_overloaded_.store(true, std::memory_order_relaxed);
      return std::nullopt;
    }
    sequencer_.WaitForRoom(kRoomPatience);
  }
  over_since_.reset();
  is_overloaded_.store(false, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<Refused> Intake::Append() {
  // An array without items is a message without readings.
  if (records_.empty()) return std::nullopt;
  if (auto refused = AwaitRoom()) return refused;
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    switch (sequencer_.Append(records_, journal::Sequencer::By::kCaller)) {
      case journal::Sequencer::Outcome::kAppended:
        return std::nullopt;
      case journal::Sequencer::Outcome::kTooLarge:
        return Refused{
            Refusal::kPayloadTooLarge,
            fmt::format("{} readings are more than can be journaled together", records_.size())};
      case journal::Sequencer::Outcome::kFailed:
        // The broker must not be told that the message is safe.
        EndProcess(sequencer_.failure());
      case journal::Sequencer::Outcome::kFull:
        break;
    }
    if (options_.drops_on_overload) {
      return Refused{Refusal::kOverload, "neither the twin's shard nor the disk has room"};
    }
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (std::chrono::floor<std::chrono::milliseconds>(waited) >= options_.patience)
      EndProcess("a message waits for room that does not come; it stays with the broker");
    sequencer_.WaitForRoom(kRoomPatience);
  }
}

void Intake::SendDeadLetter(const mqtt::Inbound& message, const Refused& refused) {
  std::string payload;
  effects::WriteDeadLetter({.topic = message.topic.substr(0, kTopicBytesMax),
                            .time = clock_.Now(),
                            .payload = message.payload,
                            .error = refused.detail,
                            .lsn = std::nullopt},
                           payload);
  dead_letters_.Append({.id = {},
                        .kind = effects::EffectKind::kDeadLetter,
                        .topic = effects::DeadLetterTopic(world_.root, refused.reason),
                        .payload = payload});
  dead_letters_.Flush();
}

}  // namespace gemel::ingest
