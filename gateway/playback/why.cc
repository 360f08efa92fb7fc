#include "gateway/playback/why.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/time_text.h"
#include "gateway/codec/plan.h"
#include "gateway/effects/payload.h"
#include "gateway/journal/record_stream.h"
#include "gateway/journal/segment.h"
#include "gateway/journal/skipped.h"
#include "gateway/model/state.h"
#include "gateway/playback/collector.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/store/one_twin.h"
#include "gateway/store/recovery.h"
#include "gateway/twin/engine.h"
#include "gateway/twin/twin_message.h"

namespace gemel::playback {
namespace {

using nlohmann::ordered_json;

// Of a payload, in a story.
constexpr size_t kPayloadShownMax = 2'048;

ordered_json Milliseconds(Time time) {
  if (time == kNoTime) return nullptr;
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// Whether a field holds what a model thinks, in a word: what people follow a story by.
bool IsJudgement(const gemel_field& field) {
  return field.source == GEMEL_FROM_MODEL &&
         (field.type == GEMEL_BOOL || field.type == GEMEL_SYMBOL || field.type == GEMEL_TEXT);
}

// A record and what it did.
struct Step {
  Lsn lsn = kNoLsn;
  Time time;
  Time event_time;
  std::string route;
  std::string payload;
  bool is_text = true;
  bool is_deletion = false;
  bool is_timer = false;          // and the payload its name
  std::vector<std::byte> before;  // state; empty if there was no twin
  std::vector<std::byte> after;
  std::vector<std::string> says;
  std::vector<EffectLine> effects;
};

class Story {
 public:
  Story(EffectId alert, const History& history, const twin::World& world, size_t records_max)
      : alert_id_(alert), history_(history), world_(world), records_max_(records_max) {}

  Result<ordered_json> Tell() {
    GEMEL_TRY(FindRecord());
    // From the newest base before it on, or, where that is too near to tell much, an older one.
    std::vector<std::optional<store::Base>> beginnings;
    for (const store::Base& base : history_.bases) {
      if (base.checkpoint < alert_id_.lsn) beginnings.insert(beginnings.begin(), base);
    }
    GEMEL_TRY_LET(const bool is_whole, JournalIsWhole());
    if (is_whole) beginnings.emplace_back();
    for (const auto& beginning : beginnings) {
      const Result<Depth> depth = FoldFrom(beginning);
      // The journal need not go back as far as the oldest bases.
      if (!depth.ok() && !told_.is_null()) break;
      if (!depth.ok()) return Status(depth.status().code(), depth.status().message());
      if (*depth == Depth::kEnough) break;
    }
    if (told_.is_null()) {
      return NotFound(fmt::format(
          "{}: no base before the record {:x} is left, so its twin cannot be folded again",
          FormatEffectId('a', alert_id_), alert_id_.lsn));
    }
    return std::move(told_);
  }

 private:
  Status FindRecord() {
    const auto unknown = [&](const std::string& why) {
      return NotFound(fmt::format("{}: {}", FormatEffectId('a', alert_id_), why));
    };
    GEMEL_TRY_LET(const auto segments, journal::FindSegments(history_.journal));
    if (segments.empty()) return unknown("the journal is empty");
    GEMEL_TRY_LET(const auto oldest, journal::ReadSegmentHead(segments.front()));
    if (alert_id_.lsn < oldest.first) {
      return unknown(fmt::format("the journal goes back to {} only (journal.retention)",
                                 FormatIsoTime(std::clamp(oldest.created.time_since_epoch().count(),
                                                          kTimeMinUs, kTimeMaxUs))));
    }
    GEMEL_TRY_LET(auto records, RecordsAfter(alert_id_.lsn - 1));
    GEMEL_TRY_LET(auto found, records.Next());
    while (found && found->lsn() < alert_id_.lsn) {
      GEMEL_TRY_LET(found, records.Next());
    }
    if (!found || found->lsn() != alert_id_.lsn || !journal::IsOfTwin(found->kind()))
      return unknown("the journal holds no such record");
    GEMEL_TRY_LET(const auto bytes, records.Translate());
    const journal::RecordView record(bytes);
    key_hash_ = record.key_hash();
    model_ = record.model();
    id_ = std::string(record.id());
    return Status::Ok();
  }

  Result<journal::RecordStream> RecordsAfter(std::optional<Lsn> lsn) const {
    return journal::RecordStream::Open(history_.journal, lsn, catalog_, *world_.symbols);
  }

  Result<bool> JournalIsWhole() const {
    GEMEL_TRY_LET(const auto segments, journal::FindSegments(history_.journal));
    GEMEL_TRY_LET(const auto oldest, journal::ReadSegmentHead(segments.front()));
    return oldest.previous == kNoLsn;
  }

  enum class Depth : uint8_t {
    kTooLate,  // the base has seen the record
    kMore,     // an older beginning could tell more
    kEnough
  };

  // Folds the twin and writes told_, unless the base comes too late.
  Result<Depth> FoldFrom(const std::optional<store::Base>& base) {
    Collector collector(world_);
    twin::Engine engine(world_, collector);
    std::vector<std::string> says;
    engine.set_on_log([&](uint32_t, std::string_view line) { says.emplace_back(line); });
    Lsn seen = kNoLsn;
    if (base) {
      GEMEL_TRY_LET(const twin::Twin* restored, store::RestoreOne(base->path, model_, id_, engine));
      if (restored != nullptr) seen = restored->applied_lsn;
      if (seen >= alert_id_.lsn) return Depth::kTooLate;
    }
    GEMEL_TRY_LET(auto records,
                  RecordsAfter(base ? std::optional(base->checkpoint) : std::nullopt));
    GEMEL_TRY_LET(const std::set<Lsn> skipped, journal::FindSkipped(history_.journal));
    std::deque<Step> steps;
    uint64_t before = 0;
    judgements_.clear();
    while (true) {
      GEMEL_TRY_LET(const auto next, records.Next());
      if (!next) break;
      const bool is_its = next->key_hash() == key_hash_ && next->lsn() > seen &&
                          journal::IsOfTwin(next->kind()) && !skipped.contains(next->lsn());
      if (!is_its) continue;
      GEMEL_TRY_LET(const auto bytes, records.Translate());
      const journal::RecordView record(bytes);
      if (record.lsn() > alert_id_.lsn) {
        engine.Apply(record);
        if (!FollowAlert(engine, record.record_time())) break;
        continue;
      }
      steps.push_back(Apply(record, engine));
      steps.back().says = std::exchange(says, {});
      steps.back().effects = collector.Take();
      if (record.lsn() == alert_id_.lsn) {
        if (!FollowAlert(engine, record.record_time())) return NotRaised();
        raised_ = *Alert(engine);
        continue;
      }
      ++before;
      NoteJudgements(steps.back());
      if (steps.size() > records_max_) steps.pop_front();
    }
    if (steps.empty()) return NotRaised();
    Write(steps, before, !base);
    return before >= records_max_ || !base ? Depth::kEnough : Depth::kMore;
  }

  Status NotRaised() const {
    return NotFound(fmt::format(
        "{}: the record {:x} of {}/{} raises no such alert with this model and configuration: it "
        "is "
        "another one's, or they have changed since",
        FormatEffectId('a', alert_id_), alert_id_.lsn, world_.models[model_].model->name(), id_));
  }

  Step Apply(const journal::RecordView& record, twin::Engine& engine) const {
    Step step{.lsn = record.lsn(),
              .time = record.record_time(),
              .event_time = record.event_time(),
              .route = world_.routes[record.route()].name,
              .payload = std::string(record.payload()),
              .is_deletion = record.kind() == journal::RecordKind::kTwinDeleted ||
                             record.kind() == journal::RecordKind::kTwinRemoved,
              .is_timer = record.kind() == journal::RecordKind::kTimer ||
                          record.kind() == journal::RecordKind::kTimerMissed};
    if (record.kind() != journal::RecordKind::kTelemetry) step.route.clear();
    const auto codec = static_cast<codec::Codec>(record.codec());
    step.is_text = codec == codec::Codec::kJson || codec == codec::Codec::kText;
    if (record.kind() == journal::RecordKind::kTwinMessage) step.payload = InWords(record);
    step.before = StateOf(engine);
    engine.Apply(record);
    step.after = StateOf(engine);
    return step;
  }

  static std::string InWords(const journal::RecordView& message) {
    twin::TwinMessageReader reader;
    if (!reader.Read(message.payload())) return {};
    const gemel_twin_message& its = reader.message();
    return fmt::format("{} of {}/{}", ToView(its.name), ToView(its.model), ToView(its.id));
  }

  std::vector<std::byte> StateOf(twin::Engine& engine) const {
    const twin::Twin* twin = engine.table(model_).Find(key_hash_, id_);
    if (twin == nullptr) return {};
    return {twin->state(), twin->state() + world_.models[model_].model->state_size()};
  }

  const twin::Alert* Alert(twin::Engine& engine) const {
    const twin::Twin* twin = engine.table(model_).Find(key_hash_, id_);
    if (twin == nullptr || twin->side() == nullptr) return nullptr;
    const auto found = std::ranges::find(twin->side()->alerts, alert_id_, &twin::Alert::id);
    return found == twin->side()->alerts.end() ? nullptr : &*found;
  }

  // False once it is not active any more.
  bool FollowAlert(twin::Engine& engine, Time now) {
    const twin::Alert* alert = Alert(engine);
    if (alert == nullptr) {
      cleared_ = now;
      return false;
    }
    count_ = alert->count;
    last_ = alert->last;
    severity_ = alert->severity;
    cleared_ = kNoTime;
    return true;
  }

  ordered_json ValueOf(const gemel_field& field, const std::vector<std::byte>& state) const {
    if (state.empty()) return nullptr;
    std::string text;
    model::AppendFieldJson(field, state.data(), *world_.symbols, text);
    return ordered_json::parse(text, nullptr, false);
  }

  static ordered_json Change(const gemel_field& field, const ordered_json& before,
                             const ordered_json& after) {
    return {{"name", field.name},
            {"type", model::TypeName(field.type)},
            {"before", before},
            {"after", after},
            {"unit", field.unit == nullptr ? "" : field.unit},
            {"meaning", field.meaning == nullptr ? "" : field.meaning},
            {"source", model::SourceName(field.source)}};
  }

  // What the model has thought better of.
  void NoteJudgements(const Step& step) {
    if (step.before.empty() || step.after.empty()) return;
    for (const gemel_field& field : world_.models[model_].model->fields()) {
      if (!IsJudgement(field)) continue;
      if (std::memcmp(step.before.data() + field.offset, step.after.data() + field.offset,
                      field.size) == 0)
        continue;
      ordered_json change = Change(field, ValueOf(field, step.before), ValueOf(field, step.after));
      change["lsn"] = fmt::format("{:x}", step.lsn);
      change["time_ms"] = Milliseconds(step.time);
      change["event_time_ms"] = Milliseconds(step.event_time);
      judgements_.push_back(std::move(change));
      if (judgements_.size() > records_max_) judgements_.pop_front();
    }
  }

  ordered_json Changes(const Step& step) const {
    ordered_json changes = ordered_json::array();
    for (const gemel_field& field : world_.models[model_].model->fields()) {
      const ordered_json before = ValueOf(field, step.before);
      const ordered_json after = ValueOf(field, step.after);
      if (before == after) continue;
      changes.push_back(Change(field, before, after));
    }
    return changes;
  }

  ordered_json StateJson(const std::vector<std::byte>& state) const {
    if (state.empty()) return nullptr;
    ordered_json values = ordered_json::object();
    for (const gemel_field& field : world_.models[model_].model->fields())
      values[field.name] = ValueOf(field, state);
    return values;
  }

  ordered_json ToJson(const Step& step) const {
    ordered_json json = {{"lsn", fmt::format("{:x}", step.lsn)},
                         {"time_ms", Milliseconds(step.time)},
                         {"event_time_ms", Milliseconds(step.event_time)},
                         {"route", step.route},
                         {"is_deletion", step.is_deletion},
                         {"timer", nullptr},
                         {"payload_bytes", step.payload.size()},
                         {"payload", nullptr},
                         {"changes", Changes(step)},
                         {"says", step.says},
                         {"effects", ordered_json::array()}};
    if (step.is_timer) json["timer"] = step.payload;
    if (step.is_text) json["payload"] = step.payload.substr(0, kPayloadShownMax);
    for (const EffectLine& effect : step.effects)
      json["effects"].push_back(ordered_json::parse(effect.json, nullptr, false));
    return json;
  }

  void Write(const std::deque<Step>& steps, uint64_t before, bool is_from_beginning) {
    const twin::ModelEntry& entry = world_.models[model_];
    told_ = {{"id", FormatEffectId('a', alert_id_)},
             {"model", entry.model->name()},
             {"model_meaning", entry.model->meaning()},
             {"plugin_sha256", entry.plugin_hash},
             {"twin", id_},
             {"code", raised_.code},
             {"severity", effects::SeverityName(raised_.severity)},
             {"message", raised_.message},
             {"properties", ordered_json::parse(raised_.properties, nullptr, false)},
             {"raised_ms", Milliseconds(raised_.first)},
             {"record", ToJson(steps.back())},
             {"state_before", StateJson(steps.back().before)},
             {"state_after", StateJson(steps.back().after)},
             {"records_before", before},
             {"is_from_beginning", is_from_beginning},
             {"judgements", judgements_},
             {"before", ordered_json::array()},
             {"since",
              {{"count", count_},
               {"last_ms", Milliseconds(last_)},
               {"severity", effects::SeverityName(severity_)},
               {"cleared_ms", Milliseconds(cleared_)}}}};
    for (size_t i = 0; i + 1 < steps.size(); ++i) told_["before"].push_back(ToJson(steps[i]));
  }

  const EffectId alert_id_;
  const History& history_;
  const twin::World& world_;
  const journal::Catalog catalog_ = store::CatalogOf(world_);
  const size_t records_max_;

  uint64_t key_hash_ = 0;
  uint16_t model_ = 0;
  std::string id_;
  twin::Alert raised_;
  std::deque<ordered_json> judgements_;  // before the record, the last ones
  // What became of it, as far as the journal goes.
  int64_t count_ = 0;
  Time last_;
  uint32_t severity_ = 0;
  Time cleared_ = kNoTime;
  ordered_json told_;
};

}  // namespace

Result<ordered_json> Why(EffectId alert, const History& history, const twin::World& world,
                         size_t records_max) {
  return Story(alert, history, world, records_max).Tell();
}

}  // namespace gemel::playback
