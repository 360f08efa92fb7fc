#pragma once

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gateway/base/hex_text.h"
#include "gateway/effects/gate.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/skipped.h"
#include "gateway/model/state.h"
#include "gateway/store/recovery.h"
#include "gateway/twin/shard_set.h"
#include "gateway/twin/side_text.h"
#include "tests/twin/lab.h"

namespace gemel::store {

// One message, to a twin of the probe model.
struct Line {
  std::string id = "x";
  std::string json = "{}";
  std::optional<Time> event_time;
  uint16_t route = twin::kNewest;
  std::string region = "north";
  std::string line = "l1";
  std::optional<uint64_t> message_id;
  bool is_deletion = false;
  Duration wait = std::chrono::milliseconds(1);  // before it
};

// Messages that have timers set, replaced, cancelled, recurring and failing, with the time that
// lets them fire, and that make twins send messages to each other and remove each other.
inline std::vector<Line> DerivedLines(std::mt19937_64& random, size_t count) {
  constexpr const char* kOrders[] = {"alarm",      "tick",    "disarm",       "bomb",  "chain",
                                     "call",       "at_once", "alarm clear",  "throw", "armed",
                                     "sum",        "ping",    "sum_twice",    "loop",  "tell_throw",
                                     "tell_raise", "remove",  "remove_other", "sum",   "sum"};
  std::vector<Line> lines;
  for (size_t i = 0; i < count; ++i) {
    lines.push_back({.id = "device-" + std::to_string(random() % 30),
                     .json = fmt::format(R"({{"a": {}, "order": "{}"}})", random() % 100,
                                         kOrders[random() % std::size(kOrders)]),
                     .is_deletion = random() % 50 == 0,
                     .wait = std::chrono::milliseconds(random() % 1'000)});
  }
  return lines;
}

struct SiteOptions {
  uint64_t epoch = 1;
  uint32_t shards = 2;
  size_t mailbox_bytes = 64 * 1'024;
  uint64_t segment_bytes = 64 * 1'024;
  journal::Attempts* attempts = nullptr;
  bool is_timing = false;
  // It ends before what twins send to each other is written.
  bool is_mute = false;
};

// One process of a gateway as far as its twins go: shards that run, and effects that a sink keeps.
class Site {
 public:
  explicit Site(std::filesystem::path folder, SiteOptions options = {})
      : folder_(std::move(folder)),
        options_(options),
        shards_(probes.world, gate_, options.shards, options.mailbox_bytes),
        sequencer_(options.epoch, clock, shards_.inboxes()) {
    for (twin::Route& route : probes.world.routes) route.repeat_window = 8;
  }
  ~Site() { shards_.DrainAndStop(); }

  journal::Catalog CatalogOf() const { return store::CatalogOf(probes.world); }
  // Without what follows it at a start: the gate stays closed.
  Result<Recovered> Recover(const journal::Catalog& catalog, Lsn checkpoint = kNoLsn,
                            Lsn newest = kNoLsn) {
    shards_.Start(sequencer_);
    return store::Recover(
        {.journal = folder_,
         .checkpoint = checkpoint,
         .newest = newest,
         .on_done = [this](EffectId id, std::string_view at) { gate_.MarkDone(id, at); },
         .attempts = options_.attempts},
        catalog, probes.symbols, sequencer_, shards_, progress);
  }
  // As a gateway starts.
  Recovered Start(Lsn checkpoint = kNoLsn) {
    const journal::Catalog catalog = CatalogOf();
    const Result<Recovered> recovered = Recover(catalog, checkpoint);
    EXPECT_TRUE(recovered.ok()) << recovered.status().message();
    if (!recovered.ok()) return {};
    auto journal = journal::Journal::Open(
        {.folder = folder_, .segment_bytes = options_.segment_bytes, .sync_every = {}},
        recovered->end);
    EXPECT_TRUE(journal.ok()) << journal.status().message();
    if (!journal.ok()) return {};
    journal_ = *std::move(journal);
    sequencer_.Attach(*journal_, catalog, recovered->last);
    if (!options_.is_mute) shards_.GoLive();
    for (const journal::OwnedRecord& unsent : recovered->unsent) Put(unsent.view());
    held = gate_.Open(sequencer_.Now());
    shards_.SetTiming(options_.is_timing);
    return *recovered;
  }

  void Append(const Line& line) {
    clock.Advance(line.wait - std::chrono::milliseconds(1));
    if (options_.is_timing) TakeTurns();  // so that timers fire between messages
    const auto region = static_cast<uint16_t>(probes.model().FieldIndex("region").value());
    const journal::RecordSymbol symbol{region, 0, probes.symbols.Intern(line.region)->number};
    const journal::RecordCapture capture{
        static_cast<uint16_t>(probes.model().FieldIndex("line").value()), line.line};
    journal::Record record{.kind = line.is_deletion ? journal::RecordKind::kTwinDeleted
                                                    : journal::RecordKind::kTelemetry,
                           .route = line.route,
                           .key_hash = HashKey("probe", line.id),
                           .event_time = line.event_time.value_or(kNoTime),
                           .repeat_key = line.message_id.value_or(0),
                           .id = line.id,
                           .payload = line.json,
                           .symbols = {&symbol, 1},
                           .captures = {&capture, 1}};
    if (line.message_id) record.repeat = journal::RepeatKey::kMessageId;
    Put(record);
  }
  void AppendAll(const std::vector<Line>& lines) {
    for (const Line& line : lines) Append(line);
  }
  // The broker has acknowledged these. As the sender reports them, not too many at a time.
  void Acknowledge(std::span<const EffectId> effects) {
    constexpr size_t kReportMax = 1'024;
    for (; !effects.empty(); effects = effects.subspan(std::min(kReportMax, effects.size()))) {
      std::string payload;
      journal::EncodeSent(effects.first(std::min(kReportMax, effects.size())), payload);
      Put({.kind = journal::RecordKind::kEffectsSent, .payload = payload});
    }
  }
  // No replay applies this record any more. REQUIRES: nothing was appended yet
  void Skip(Lsn lsn) {
    std::string payload;
    journal::EncodeSkipped({&lsn, 1}, payload);
    Put({.kind = journal::RecordKind::kSkipped, .payload = payload});
  }
  // And this webhook is done with these.
  void End(std::string_view webhook, std::span<const journal::EndedEffect> effects) {
    std::string payload;
    journal::EncodeOutcomes(effects, payload);
    Put({.kind = journal::RecordKind::kEffectOutcome, .id = webhook, .payload = payload});
  }
  journal::Journal& journal() { return *journal_; }
  journal::Sequencer& sequencer() { return sequencer_; }
  twin::ShardSet& shards() { return shards_; }
  effects::Gate& gate() { return gate_; }

  // All that is known of each twin, once everything is applied.
  std::vector<std::string> Twins() {
    Await();
    std::vector<std::string> told;
    std::mutex mutex;
    shards_.Scan(0, [&](uint32_t, const twin::Engine& engine, const twin::Twin& twin) {
      const std::lock_guard lock(mutex);
      told.push_back(Told(twin) + TimersOf(twin, engine));
    });
    std::ranges::sort(told);
    return told;
  }
  // What was sent since the last call, once everything is applied, by LSN.
  std::vector<twin::Kept> Effects() {
    Await();
    std::vector<twin::Kept> kept = sink.Take();
    std::ranges::stable_sort(kept, {}, [](const twin::Kept& one) { return one.id.lsn; });
    return kept;
  }
  uint64_t fired() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < shards_.size(); ++i)
      sum += shards_[i].engine().stats(0).timers_fired.value();
    return sum;
  }
  uint64_t repeated() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < shards_.size(); ++i)
      sum += shards_[i].engine().stats(0).repeated.value();
    return sum;
  }

  twin::ProbeWorld probes;
  twin::KeptSink sink;
  ManualClock clock{twin::kStart};
  RecoveryProgress progress;
  uint64_t held = 0;  // effects that were let through when the gate was opened

 private:
  // A millisecond later than the last one.
  void Put(journal::Record record) {
    shards_.SetTiming(options_.is_timing);
    clock.Advance(std::chrono::milliseconds(1));
    auto outcome = journal::Sequencer::Outcome::kFull;
    while ((outcome = sequencer_.Append({&record, 1})) == journal::Sequencer::Outcome::kFull) {
      sequencer_.WaitForRoom(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(outcome, journal::Sequencer::Outcome::kAppended);
  }
  void TakeTurns() {
    shards_.Scan(0, [](uint32_t, const twin::Engine&, const twin::Twin&) {});
  }
  void Await() {
    // What is due has its turn; then no timer fires before the next message.
    TakeTurns();
    shards_.SetTiming(false);
    TakeTurns();
    while (sequencer_.lag() > 0) sequencer_.WaitForRoom(std::chrono::milliseconds(10));
  }
  static std::string TimersOf(const twin::Twin& twin, const twin::Engine& engine) {
    std::string timers;
    twin::WriteTimers(twin, engine.timers(), engine.world(), timers);
    return timers.empty() ? timers : " timers=" + timers;
  }
  std::string Value(const gemel_field& field, const twin::Twin& twin) const {
    if (field.type != GEMEL_WINDOW) return probes.Json(twin.state(), field.name);
    std::string bytes;
    AppendHex(model::WindowOf(field, twin.state()), bytes);
    return bytes;
  }
  std::string Told(const twin::Twin& twin) const {
    std::string text = fmt::format("{} lsn={:x} at={}", twin.id(), twin.applied_lsn,
                                   twin.last_telemetry.time_since_epoch().count());
    for (const gemel_field& field : probes.model().fields())
      text += fmt::format(" {}={}", field.name, Value(field, twin));
    if (twin.side() == nullptr) return text;
    for (const twin::Alert& alert : twin.side()->alerts) {
      text += fmt::format(" alert={}/{}/{}/{}/{}", FormatEffectId('a', alert.id), alert.code,
                          alert.severity, alert.count, alert.properties);
    }
    for (const auto& [route, window] : twin.side()->repeats)
      text +=
          fmt::format(" repeats={}/{}/{:x}", route, window.next(), fmt::join(window.words(), "."));
    return text;
  }

  const std::filesystem::path folder_;
  const SiteOptions options_;
  effects::Gate gate_{sink};
  twin::ShardSet shards_;
  journal::Sequencer sequencer_;
  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace gemel::store
