#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/effects/outbox.h"
#include "gateway/ingest/intake.h"
#include "gateway/twin/engine.h"

namespace gemel::ingest {

struct MillOptions {
  std::vector<config::Route> routes;
  uint32_t shards = 1;
  size_t mailbox_bytes = 64 * 1'024;
  size_t symbols_max = kSymbolsMax;
  IntakeOptions intake = {};
  size_t outbox_bytes_max = 1'000'000;
};

// A route of the probe model by its topic; the rest is for a test to set.
config::Route RouteOf(std::string_view topic);

// What intake appended, as a shard meets it.
struct Met {
  uint32_t shard = 0;
  Lsn lsn = kNoLsn;
  std::string id;
  uint32_t item = 0;
  Time event_time;
  journal::RepeatKey repeat = journal::RepeatKey::kNone;
  uint64_t repeat_key = 0;
  bool has_refused_symbol = false;
};

struct Letter {
  std::string reason;  // of the topic
  std::string topic;
  std::string payload_base64;
  std::string error;
};

// Intake between a broker that a test plays and mailboxes that it empties into an engine.
class Mill : public effects::Sink {
 public:
  explicit Mill(const MillOptions& options);
  ~Mill() override;

  void Send(std::string_view topic, std::string_view payload, bool is_retained = false) {
    intake_->Handle({.topic = topic, .payload = payload, .is_retained = is_retained});
  }
  void RefuseOnce(const journal::RecordView& record) { intake_->RefuseOnce(record); }
  // Applies everything that waits, in the order of LSNs.
  std::vector<Met> Drain();
  // Gives back the space of what waits for a shard, unread; the ids. Another thread's.
  std::vector<std::string> Discard(uint32_t shard, journal::Sequencer& sequencer);
  // Dead letters since the last call.
  std::vector<Letter> Letters() { return std::exchange(letters_, {}); }
  // What was said of alerts since the last call, in JSON.
  std::vector<std::string> Alerts() { return std::exchange(alerts_, {}); }
  // Value of a twin's field as JSON text; "" if there is no such twin.
  std::string Field(std::string_view id, std::string_view field);
  uint64_t refused(Refusal reason) const {
    return intake_->stats().refused[static_cast<size_t>(reason)].value();
  }
  uint64_t received(size_t route) const { return intake_->stats().received[route].value(); }

  void Append(const effects::Effect& effect) override;
  void Flush() noexcept override {}

  ManualClock clock{Time{std::chrono::seconds{1'700'000'000}}};
  Symbols symbols;
  twin::World world;
  Parker parker;
  effects::Outbox outbox;
  std::vector<std::unique_ptr<Mailbox>> mailboxes;
  std::vector<std::unique_ptr<Parker>> parkers;
  std::optional<journal::Sequencer> sequencer;

 private:
  std::vector<Letter> letters_;
  std::vector<std::string> alerts_;
  std::optional<twin::Engine> engine_;
  std::optional<Intake> intake_;
};

}  // namespace gemel::ingest
