#include "gateway/twin/profile_change.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/field_map.h"
#include "gateway/model/profile.h"
#include "gateway/model/state.h"
#include "gateway/twin/engine.h"
#include "gateway/twin/put.h"

namespace gemel::twin {
namespace {

using nlohmann::json;

constexpr std::array<const char*, 4> kTellers = {"person", "topic", "retained", "file"};

bool IsProse(const gemel_field& field) {
  return field.type == GEMEL_TEXT || field.type == GEMEL_SYMBOL;
}

std::string Allowed(std::span<const gemel_field> table) {
  std::string allowed;
  for (const gemel_field& field : table) {
    if (model::IsOfProfile(field))
      allowed += (allowed.empty() ? "" : ", ") + std::string(field.name);
  }
  return allowed.empty() ? "none" : allowed;
}

// The object, or what is wrong with it.
std::optional<std::string> Parse(std::string_view text, json& object) {
  // One level of fields, and one more, which is refused by name.
  constexpr int kDepth = 2;
  bool is_too_deep = false;
  std::set<std::string> names;
  std::string twice;
  object = json::parse(
      text,
      [&](int depth, json::parse_event_t event, json& parsed) {
        is_too_deep = is_too_deep || depth > kDepth;
        const bool is_name = event == json::parse_event_t::key && depth == 1;
        if (is_name && !names.insert(parsed.get<std::string>()).second)
          twice = parsed.get<std::string>();
        return !is_too_deep;
      },
      false);
  if (is_too_deep || !object.is_object())
    return R"(no JSON object of fields and their values, like {"limit_c": 8})";
  if (!twice.empty()) return fmt::format("{} stands in it twice", Quote(twice));
  return std::nullopt;
}

std::optional<Refused> ReadField(const gemel_field& field, json& value, codec::Decoder& decoder) {
  const auto refuse = [&](std::string_view what) {
    return Refused{Refusal::kFieldInvalid, fmt::format("{}: {}", field.name, what)};
  };
  if (value.is_null()) return std::nullopt;
  if (value.is_structured()) return refuse("an object or a list is no value of a field");
  // As in a profile's file, but that an empty text is a word, too.
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_not_of(" \t") == std::string::npos) {
    if (!IsProse(field)) return refuse("an empty text is no value; null takes one back");
    value = "";
    return std::nullopt;
  }
  gemel_value read{};
  // Names the field, the value and what is allowed.
  if (auto refused = decoder.Scalar(field, text, read)) return refused;
  switch (read.type) {
    case GEMEL_BOOL:
      value = read.as.integer != 0;
      return std::nullopt;
    case GEMEL_DOUBLE:
      value = read.as.number;
      return std::nullopt;
    case GEMEL_TEXT:
      value = std::string(read.as.text, read.length);
      return std::nullopt;
    default:
      value = read.as.integer;
      return std::nullopt;
  }
}

}  // namespace

std::optional<Refused> ReadProfileFields(std::string_view text, std::span<const gemel_field> table,
                                         json& fields) {
  if (auto wrong = Parse(text, fields)) return Refused{Refusal::kPayloadInvalid, *wrong};
  codec::Decoder decoder;
  for (auto item = fields.begin(); item != fields.end(); ++item) {
    const auto field = std::ranges::find_if(table, [&](const gemel_field& known) {
      return item.key() == known.name && model::IsOfProfile(known);
    });
    if (field == table.end()) {
      return Refused{Refusal::kFieldInvalid,
                     fmt::format("{} is no profile field of the model; allowed: {}",
                                 Quote(item.key()), Allowed(table))};
    }
    if (auto refused = ReadField(*field, item.value(), decoder)) return refused;
  }
  return std::nullopt;
}

ProfileChange ChangeOf(const json& fields, const ModelEntry& entry, std::string_view id,
                       const Symbols& symbols) {
  ProfileChange change;
  const model::Model& model = *entry.model;
  // What a twin begins with. Aligned as a state wants it.
  std::vector<std::max_align_t> buffer;
  for (const auto& item : fields.items()) {
    if (!item.value().is_null()) {
      change.set[item.key()] = item.value();
      continue;
    }
    if (buffer.empty()) buffer.resize(model.state_size() / sizeof(std::max_align_t) + 1);
    auto* const state = reinterpret_cast<std::byte*>(buffer.data());
    model.Construct(state);
    if (entry.apply_profile) entry.apply_profile(id, state);
    const gemel_field& field = model.fields()[*model.FieldIndex(item.key())];
    change.unset[item.key()] = ProfileValueOf(model::ReadValue(field, state), symbols);
  }
  return change;
}

json ProfileValueOf(const gemel_value& value, const Symbols& symbols) {
  switch (value.type) {
    case GEMEL_BOOL:
      return value.as.integer != 0;
    case GEMEL_DOUBLE:
      // As a line of `gemel export` has it: JSON has no such number.
      if (std::isinf(value.as.number)) return value.as.number > 0 ? "inf" : "-inf";
      return value.as.number;
    case GEMEL_TEXT:
      return std::string(value.as.text, value.length);
    case GEMEL_SYMBOL:
      return std::string(symbols.TextOf(Symbol{static_cast<uint32_t>(value.as.integer)}));
    case GEMEL_NULL:
      return nullptr;
    default:
      return value.as.integer;
  }
}

Result<std::vector<journal::RecordSymbol>> InternProfile(const ProfileChange& change,
                                                         const model::Model& model,
                                                         Symbols& symbols) {
  std::vector<journal::RecordSymbol> interned;
  json state = change.set;
  state.update(change.unset);
  for (const auto& [field, text] : SymbolsOf({{"state", state}}, model)) {
    if (text.empty()) continue;
    const auto symbol = symbols.Intern(text);
    if (!symbol) {
      return Invalid(fmt::format(
          "{}: {} is a new text in a field for few distinct ones; at most {} in all models are "
          "allowed",
          model.fields()[field].name, Quote(text), symbols.size()));
    }
    interned.push_back({.field = field, .is_refused = 0, .number = symbol->number});
  }
  return interned;
}

std::string EncodeProfileChange(const ProfileChange& change) {
  json payload = {{"teller", kTellers[static_cast<size_t>(change.teller)]}};
  if (!change.set.empty()) payload["set"] = change.set;
  if (!change.unset.empty()) payload["unset"] = change.unset;
  if (change.creates) payload["creates"] = true;
  return payload.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<ProfileChange> DecodeProfileChange(std::string_view payload) {
  const json read = json::parse(payload, nullptr, false);
  if (!read.is_object()) return std::nullopt;
  ProfileChange change;
  for (const auto& [name, fields] : {std::pair{"set", &change.set}, {"unset", &change.unset}}) {
    const auto found = read.find(name);
    if (found == read.end()) continue;
    if (!found->is_object()) return std::nullopt;
    *fields = *found;
  }
  const auto teller = read.find("teller");
  if (teller == read.end()) return std::nullopt;
  const auto* const known = std::ranges::find(kTellers, *teller);
  if (known == kTellers.end()) return std::nullopt;
  change.teller = static_cast<Teller>(known - kTellers.begin());
  const auto creates = read.find("creates");
  change.creates = creates != read.end() && *creates == true;
  return change;
}

void Engine::ApplyProfileChange(const journal::RecordView& record) {
  if (record.model() == world_.feed_model) return;  // it knows its members itself
  const auto change = DecodeProfileChange(record.payload());
  if (!change) {
    Refuse(record, {Refusal::kPayloadInvalid, "it is no change of a profile"});
    return;
  }
  TwinTable& table = *tables_[record.model()];
  bool is_new = false;
  Twin* twin = table.Find(record.key_hash(), record.id());
  if (twin == nullptr && change->creates) twin = FindOrCreate(record, is_new);
  if (twin == nullptr || record.lsn() <= twin->applied_lsn) return;
  twin->applied_lsn = record.lsn();
  table.MarkDirty(*twin);
  SetProfile(record, *change, *twin);
  ModelStats& stats = *stats_[record.model()];
  if (is_new) {
    call_.Begin({world_.models[record.model()].model.get(), twin, &timers_, record.lsn(),
                 record.record_time(), false});
    if (!world_.models[record.model()].model->OnInit(twin->state(), call_.context(),
                                                     call_.failure())) {
      stats.failed.Add();
      DeleteTwin(record.model(), *twin);
      Refuse(record, {Refusal::kModelFailed, call_.failure()});
      return;
    }
    stats.twins_created.Add();
    CountDropped(stats);
    if (!call_.is_empty()) Commit(record, nullptr, *twin);
  }
  stats.profile_changes.Add();
}

void Engine::SetProfile(const journal::RecordView& record, const ProfileChange& change,
                        Twin& twin) {
  // Who has set the field; nullptr if nobody has.
  const auto teller_of = [&twin](const std::string& name) -> const Teller* {
    if (twin.side() == nullptr) return nullptr;
    const auto found = twin.side()->told.find(name);
    return found == twin.side()->told.end() ? nullptr : &found->second;
  };
  const bool is_file = change.teller == Teller::kFile;
  for (const auto& item : change.set.items()) {
    const Teller* const before = teller_of(item.key());
    const bool is_of_person = before != nullptr && *before == Teller::kPerson;
    const bool is_kept =
        (is_file && before != nullptr) || (change.teller == Teller::kRetained && is_of_person);
    if (is_kept || !WriteProfileField(record, item.key(), item.value(), twin) || is_file) continue;
    twin.MakeSide().told[item.key()] =
        change.teller == Teller::kPerson ? Teller::kPerson : Teller::kTopic;
  }
  for (const auto& item : change.unset.items()) {
    const Teller* const before = teller_of(item.key());
    if (before == nullptr) continue;
    // Who says nothing any more takes back nobody else's word, but a person does.
    if (*before == Teller::kPerson && change.teller != Teller::kPerson) continue;
    WriteProfileField(record, item.key(), item.value(), twin);
    twin.side()->told.erase(item.key());
  }
}

bool Engine::WriteProfileField(const journal::RecordView& record, const std::string& name,
                               const json& value, Twin& twin) {
  const model::Model& model = *world_.models[record.model()].model;
  const auto index = model.FieldIndex(name);
  if (!index || !model::IsOfProfile(model.fields()[*index])) return false;
  const gemel_field& field = model.fields()[*index];
  if (field.type != GEMEL_SYMBOL || value.is_null()) return PutField(field, value, twin.state());
  const bool is_emptied = value.is_string() && value.get_ref<const std::string&>().empty();
  if (is_emptied) return PutField(field, nullptr, twin.state());
  for (const journal::RecordSymbol& symbol : record.symbols()) {
    if (symbol.field != *index || symbol.is_refused != 0) continue;
    model::WriteValue(field, twin.state(), ToValue(Symbol{symbol.number}));
    return true;
  }
  return false;
}

}  // namespace gemel::twin
