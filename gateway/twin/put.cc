#include "gateway/twin/put.h"

#include <cstring>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/hex_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/base/time_text.h"
#include "gateway/model/state.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/call.h"
#include "gateway/twin/engine.h"
#include "gateway/twin/side_text.h"

namespace gemel::twin {
namespace {

using nlohmann::json;

std::optional<double> NumberOf(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

bool IsInteger(const json& value) {
  // What is beyond 2^63 is held as unsigned.
  return value.is_number_integer() &&
         (!value.is_number_unsigned() ||
          value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

// A window of another layout or size keeps its default, as in the store.
bool PutWindow(const gemel_field& field, const json& value, std::byte* state) {
  const auto is_text = [&value](const char* name) {
    return value.is_object() && value.contains(name) && value[name].is_string();
  };
  if (!is_text("layout") || !is_text("bytes")) return false;
  const auto bytes = FromHex(value["bytes"].get_ref<const std::string&>());
  if (!bytes) return false;
  const bool is_same = value["layout"] == model::LayoutOf(field) && bytes->size() == field.size;
  if (is_same) model::WriteWindow(field, state, *bytes);
  return true;
}

const json* MemberOf(const json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && found->is_object() ? &*found : nullptr;
}

}  // namespace

bool PutField(const gemel_field& field, const json& value, std::byte* state) {
  if (value.is_null()) {
    model::WriteValue(field, state, gemel_value{GEMEL_NULL, 0, {.integer = 0}});
    return true;
  }
  switch (field.type) {
    case GEMEL_BOOL:
      if (!value.is_boolean()) return false;
      model::WriteValue(field, state, ToValue(value.get<bool>()));
      return true;
    case GEMEL_INT64:
      if (!IsInteger(value)) return false;
      model::WriteValue(field, state, ToValue(value.get<int64_t>()));
      return true;
    case GEMEL_TIME:
      if (!IsInteger(value)) return false;
      model::WriteValue(field, state, ToValue(Time{Duration{value.get<int64_t>()}}));
      return true;
    case GEMEL_DOUBLE: {
      const auto number = NumberOf(value);
      if (number) model::WriteValue(field, state, ToValue(*number));
      return number.has_value();
    }
    case GEMEL_SYMBOL:
      if (!value.is_string()) return false;
      if (field.choices_count > 0)
        model::WriteChoice(field, state, value.get_ref<const std::string&>());
      return true;
    case GEMEL_TEXT: {
      if (!value.is_string()) return false;
      model::WriteValue(field, state,
                        ToValue(std::string_view(value.get_ref<const std::string&>())));
      return true;
    }
    case GEMEL_WINDOW:
      return PutWindow(field, value, state);
    default:
      return false;
  }
}

std::optional<std::string> PutState(const json& line, const model::Model& model, std::byte* state) {
  const json* const values = MemberOf(line, "state");
  if (values == nullptr) return "it has no object \"state\"";
  for (const auto& item : values->items()) {
    const auto index = model.FieldIndex(item.key());
    if (!index) return fmt::format("state: {} is no field of {}", Quote(item.key()), model.name());
    const gemel_field& field = model.fields()[*index];
    if (!PutField(field, item.value(), state)) {
      return fmt::format("state: {} cannot be {}: it is of type {}", item.key(),
                         Quote(item.value().dump()), model::TypeName(field.type));
    }
  }
  const json* const times = MemberOf(line, "at_us");
  if (times == nullptr) return "it has no object \"at_us\"";
  for (const auto& item : times->items()) {
    const auto index = model.FieldIndex(item.key());
    const bool is_timed =
        index && model.fields()[*index].time_offset != GEMEL_NO_OFFSET && IsInteger(item.value());
    if (!is_timed) return fmt::format("at_us: {} has no event time", Quote(item.key()));
    model::SetEventTime(model.fields()[*index], state, Time{Duration{item.value().get<int64_t>()}});
  }
  return std::nullopt;
}

std::vector<std::pair<uint16_t, std::string>> SymbolsOf(const json& line,
                                                        const model::Model& model) {
  std::vector<std::pair<uint16_t, std::string>> symbols;
  const json* const values = MemberOf(line, "state");
  if (values == nullptr) return symbols;
  for (const auto& item : values->items()) {
    const auto index = model.FieldIndex(item.key());
    if (!index || !item.value().is_string()) continue;
    const gemel_field& field = model.fields()[*index];
    if (field.type == GEMEL_SYMBOL && field.choices_count == 0)
      symbols.emplace_back(static_cast<uint16_t>(*index), item.value().get<std::string>());
  }
  return symbols;
}

std::optional<std::vector<std::byte>> RepeatsOf(const json& line) {
  const auto found = line.find("repeats");
  if (found == line.end()) return std::vector<std::byte>();
  if (!found->is_string()) return std::nullopt;
  return FromHex(found->get_ref<const std::string&>());
}

// REQUIRES: due_us and every_us are integers
bool IsTimely(const json& timer) {
  const auto due = timer["due_us"].get<int64_t>();
  const auto every = timer["every_us"].get<int64_t>();
  return due >= kTimeMinUs && due <= kTimeMaxUs && every >= 0 &&
         every <= Duration(kTimerMax).count();
}

std::optional<std::string> WrongTimers(const json& line) {
  const auto timers = line.find("timers");
  if (timers == line.end()) return std::nullopt;
  if (!timers->is_array()) return "timers: no array";
  std::set<std::string> names;
  for (const json& timer : *timers) {
    const auto has = [&timer](const char* name) {
      return timer.is_object() && timer.contains(name) && IsInteger(timer[name]);
    };
    const auto name = timer.is_object() ? timer.find("name") : timer.end();
    const bool is_timer = timer.is_object() && name != timer.end() && name->is_string() &&
                          (name->empty() || IsCode(name->get_ref<const std::string&>())) &&
                          has("due_us") && has("every_us") && IsTimely(timer);
    if (!is_timer || !names.insert(name->get<std::string>()).second) {
      return fmt::format(
          "timers: {} is no timer: an object of name, due_us and every_us, the name "
          "not twice",
          Quote(timer.dump()));
    }
  }
  return std::nullopt;
}

std::optional<std::string> WrongTold(const json& line) {
  const auto told = line.find("told");
  if (told == line.end() || IsTold(*told)) return std::nullopt;
  return fmt::format(R"(told: {} is no object of fields, each "person" or "topic")",
                     Quote(told->dump()));
}

void Engine::PutTimers(const json& line, const journal::RecordView& record, Twin& twin) {
  // Caused by this record, as their alerts are of it.
  json timers = json::array();
  for (const json& timer : line.value("timers", json::array())) {
    // What it was to its feed: here it is to be counted anew.
    if (timer.is_object() && !timer.value("name", "").empty()) timers.push_back(timer);
  }
  for (json& timer : timers) {
    timer["lsn"] = record.lsn();
    timer["ordinal"] = derived_++;
  }
  static_cast<void>(RestoreTimers(timers.dump(), world_, record.model(), timers_, twin));
}

void Engine::PutAlerts(const json& line, const journal::RecordView& record, Twin& twin) {
  static_cast<void>(RestoreAlerts(line.value("alerts", json::array()).dump(), twin));
  if (twin.side() == nullptr) return;
  std::vector<Alert>& active = twin.side()->alerts;
  // And one of the gateway's own.
  if (active.size() > kAlertsPerTwinMax + 1) {
    for (size_t i = kAlertsPerTwinMax + 1; i < active.size(); ++i)
      stats_[record.model()]->alerts_dropped.Add();
    active.erase(active.begin() + kAlertsPerTwinMax + 1, active.end());
  }
  std::vector<Alert>& cleared = twin.side()->cleared;
  if (cleared.size() > kClearedAlertsPerTwinMax)
    cleared.erase(cleared.begin(), cleared.end() - kClearedAlertsPerTwinMax);
  // Under ids of their own: those of another gateway may be given here once more.
  for (std::vector<Alert>* some : {&twin.side()->alerts, &twin.side()->cleared}) {
    for (Alert& alert : *some) {
      alert.id = {record.lsn(), ordinal_};
      SendAlert(record, twin, alert,
                alert.is_active() ? effects::AlertChange::kRaised : effects::AlertChange::kCleared);
    }
  }
  IndexAlerts(record.model(), twin);
}

void Engine::ApplyPut(const journal::RecordView& record) {
  if (record.model() == world_.feed_model) return;  // it counts its members itself
  const model::Model& model = *world_.models[record.model()].model;
  TwinTable& table = *tables_[record.model()];
  Twin* before = table.Find(record.key_hash(), record.id());
  if (before != nullptr && record.lsn() <= before->applied_lsn) return;
  // Whoever sent it has checked it; what is wrong all the same is refused as a whole.
  const json line = json::parse(record.payload(), nullptr, false);
  std::optional<std::string> wrong = "it is no JSON object";
  if (line.is_object()) {
    model.Construct(reinterpret_cast<std::byte*>(undo_.data()));
    wrong = PutState(line, model, undo_.data());
  }
  const auto repeats = line.is_object() ? RepeatsOf(line) : std::nullopt;
  if (!wrong && !repeats) wrong = "repeats: no hexadecimal text";
  if (!wrong) wrong = WrongTimers(line);
  if (!wrong) wrong = WrongTold(line);
  if (wrong) {
    Refuse(record, {Refusal::kPayloadInvalid, *wrong});
    return;
  }
  if (before != nullptr) {
    if (before->side() != nullptr) {
      for (Alert& alert : before->side()->alerts) EndAlert(record, *before, alert);
      EndCommands(record, *before, "another twin was put in the place of this one");
    }
    if (world_.feed_model) LeaveFeed(record, *before);
    table.NoteDeletion(*before, record.lsn());
    DeleteTwin(record.model(), *before);
  }
  bool is_new = false;
  Twin* const twin = FindOrCreate(record, is_new);
  if (twin == nullptr) return;
  std::memcpy(twin->state(), undo_.data(), model.state_size());
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    if (symbol.field == journal::kNoField || symbol.is_refused != 0) continue;
    model::WriteValue(model.fields()[symbol.field], twin->state(), ToValue(Symbol{symbol.number}));
  }
  twin->applied_lsn = record.lsn();
  const auto telemetry = line.find("telemetry_us");
  if (telemetry != line.end() && telemetry->is_number_integer())
    twin->last_telemetry = Time{Duration{telemetry->get<int64_t>()}};
  static_cast<void>(RestoreSeen(line.value("seen_us", json::object()).dump(), world_, *twin));
  static_cast<void>(RestoreRepeats(*repeats, world_, *twin));
  static_cast<void>(RestoreTold(line.value("told", json::object()).dump(), *twin));
  PutTimers(line, record, *twin);
  PutAlerts(line, record, *twin);
  WatchSilence(record.model(), *twin);
  sink_.Flush();
  table.MarkDirty(*twin);
  if (before == nullptr) stats_[record.model()]->twins_created.Add();
}

}  // namespace gemel::twin
