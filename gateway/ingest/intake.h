#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/refusal.h"
#include "gateway/base/stats.h"
#include "gateway/codec/envelope.h"
#include "gateway/effects/backlog.h"
#include "gateway/effects/effect.h"
#include "gateway/journal/sequencer.h"
#include "gateway/mqtt/client.h"
#include "gateway/route/router.h"
#include "gateway/twin/alert_index.h"
#include "gateway/twin/world.h"

namespace gemel::ingest {

// What a named segment of a topic means.
struct Capture {
  enum class Kind : uint8_t { kId, kSymbol, kScalar, kFieldName } kind = Kind::kId;
  uint16_t field = 0;  // of the model's table, for kSymbol and kScalar
};

// A route as intake needs it; the one at the same index of World::routes has the rest.
struct Plan {
  codec::Codec codec = codec::Codec::kJson;
  std::vector<Capture> captures;            // in the order of the template's names()
  std::optional<codec::Envelope> envelope;  // none where the payload is not read before the shard
  bool has_payload_id = false;
  bool has_items = false;
};

// Topics beside telemetry on which something is said of a device. The router's i-th template is of
// models[i]; ids[i] is which of its captures is the device.
struct DeviceTopics {
  route::Router router;
  std::vector<uint16_t> models;
  std::vector<size_t> ids;
};

struct IntakeOptions {
  size_t payload_bytes_max = kPayloadBytesMaxDefault;
  uint16_t receive_maximum = 100;  // messages that the broker may have to send once more
  Duration event_time_ahead_max = kEventTimeAheadMax;
  uint64_t lag_max = UINT64_MAX;   // bytes that may wait to be applied
  bool drops_on_overload = false;  // otherwise it waits for room
  // For how long at a stretch messages are made to wait, because the callback holds a lock of the
  // MQTT library. After that they are let through, and it is for others to see that no more come;
  // one that has no room even so ends the process.
  std::chrono::milliseconds patience = std::chrono::milliseconds::max();
  // Whose an alert is that may be acknowledged; must not wait. Empty: acknowledgements are refused.
  std::function<std::optional<twin::AlertOwner>(EffectId)> find_alert = {};
  // Where devices answer commands, and where their profiles come; outlive the intake. nullptr:
  // nowhere.
  const DeviceTopics* command_acks = nullptr;
  const DeviceTopics* profile_topics = nullptr;
  // Hears what the gateway has said of itself, once the broker brings it; must not wait. May be
  // empty.
  std::function<void(std::string_view status)> on_status = {};
};

struct IntakeStats {
  std::vector<Counter> received;  // by route
  std::array<Counter, kRefusals> refused;
  Counter symbols_refused;  // the table was full: read as null
  Counter profiles;         // that came on a topic
};

// Where acknowledgements come in, up to the alert's id.
std::string AckTopic(std::string_view root);
// Where the gateway says how it is.
std::string StatusTopic(std::string_view root);

// Turns each message into records: match, split, stamp, append. Runs inside the receiver's
// callback, whose return lets the broker forget the message, so everything that is not refused is
// in a mailbox by then. A refused message is counted and goes to the dead-letter topic; it never
// stops the next one.
class Intake {
 public:
  // plans[i] belongs to world.routes[i] and to template i of the router. All outlive the intake.
  Intake(const twin::World& world, std::vector<Plan> plans, route::Router router,
         journal::Sequencer& sequencer, const effects::Backlog* backlog,
         effects::Sink& dead_letters, const Clock& clock, IntakeOptions options);

  // One thread at a time. Waits while too much is to be applied or to be sent, unless told to drop.
  // Ends the process if the journal can't be written: the message stays with the broker.
  void Handle(const mqtt::Inbound& message);
  // This record crashed the process, perhaps before the broker was told that its message is safe:
  // then it comes again, among the first ones. One reading like it is refused there. REQUIRES:
  // nothing was handled yet
  void RefuseOnce(const journal::RecordView& record);

  // Any thread: whether too much waits, and nothing at all should come, since longer than the
  // patience; and whether so little does that more may come.
  bool is_overloaded() const { return is_overloaded_.load(std::memory_order_relaxed); }
  bool HasRecovered() const;
  const IntakeStats& stats() const { return stats_; }

 private:
  std::optional<Refused> Accept(const mqtt::Inbound& message);
  // Of a topic below ack_topic_.
  std::optional<Refused> AcceptAck(const mqtt::Inbound& message);
  // Of no route.
  std::optional<Refused> AcceptOther(const mqtt::Inbound& message);
  std::optional<Refused> AcceptCommandReply(const mqtt::Inbound& message,
                                            const route::Match& match);
  std::optional<Refused> AcceptProfile(const mqtt::Inbound& message, const route::Match& match);
  std::optional<Refused> CheckSize(const mqtt::Inbound& message) const;
  // Fills records_ from the topic and the payload.
  std::optional<Refused> MakeRecords(const mqtt::Inbound& message, const route::Match& match);
  std::optional<Refused> ReadCaptures(const mqtt::Inbound& message, const route::Match& match,
                                      journal::Record& record);
  std::optional<Refused> AddFieldOfTopic(std::string_view name, std::string_view payload,
                                         uint16_t model);
  std::optional<Refused> AddReadings(const Plan& plan, std::string_view payload,
                                     const journal::Record& base);
  std::optional<Refused> AddReading(const codec::Reading& reading, const journal::Record& base);
  bool IsTooFarAhead(Time event_time);
  void AddSymbol(uint16_t field, std::string_view text);
  void InternSymbols(size_t first);
  std::optional<Refused> Append();
  // Takes readings that crashed the process out of records_.
  void RefuseCrashers(const mqtt::Inbound& message);
  bool IsOver() const;
  // Refused where messages are dropped instead.
  std::optional<Refused> AwaitRoom();
  void SendDeadLetter(const mqtt::Inbound& message, const Refused& refused);

  const twin::World& world_;
  const std::vector<Plan> plans_;
  const route::Router router_;
  const std::string ack_topic_;  // up to the alert's id
  const std::string status_topic_;
  journal::Sequencer& sequencer_;
  const effects::Backlog* const backlog_;
  effects::Sink& dead_letters_;
  const Clock& clock_;
  const IntakeOptions options_;
  IntakeStats stats_;
  std::atomic<bool> is_overloaded_{false};
  std::optional<std::chrono::steady_clock::time_point> over_since_;

  // A reading that crashed the process.
  struct Crasher {
    uint16_t route;
    uint32_t item;
    uint64_t key_hash;
    uint64_t payload_hash;
    bool operator==(const Crasher&) const = default;
  };
  std::vector<Crasher> crashers_;
  uint32_t handled_ = 0;  // only counted while there are crashers

  // As of the last look at the clock: most messages are far below it and need no look.
  Time latest_allowed_ = kNoTime;
  // Reused for every message. Records point into what stands below them.
  std::vector<journal::Record> records_;
  std::vector<journal::RecordSymbol> symbols_;
  std::vector<std::string_view> symbol_texts_;  // beside symbols_, until the message is accepted
  size_t topic_symbols_ = 0;  // the first ones come from the topic and belong to every record
  std::vector<journal::RecordCapture> captures_;
  std::vector<std::string> ids_;
  codec::EnvelopeReader reader_;
};

}  // namespace gemel::ingest
