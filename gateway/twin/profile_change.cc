#include "gateway/twin/profile_change.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/codec/field_map.h"
#include "gateway/model/state.h"
#include "gateway/twin/engine.h"
#include "gateway/twin/put.h"

namespace gemel::twin {
namespace {

using nlohmann::json;

std::string Allowed(std::span<const gemel_field> table) {
  std::string allowed;
  for (const gemel_field& field : table) {
    if (IsOfProfile(field)) allowed += (allowed.empty() ? "" : ", ") + std::string(field.name);
  }
  return allowed.empty() ? "none" : allowed;
}

json JsonOf(const gemel_value& value) {
  switch (value.type) {
    case GEMEL_BOOL:
      return value.as.integer != 0;
    case GEMEL_DOUBLE:
      return value.as.number;
    case GEMEL_TEXT:
      return std::string(value.as.text, value.length);
    case GEMEL_NULL:
      return nullptr;
    default:
      return value.as.integer;
  }
}

Result<json> ReadField(const gemel_field& field, const json& value, codec::Decoder& decoder) {
  if (value.is_null()) return json();
  if (value.is_structured())
    return Invalid(fmt::format("{}: an object or a list is no value of a field", field.name));
  // As in a profile's file.
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  gemel_value read{};
  // Names the field, the value and what is allowed.
  if (const auto refused = decoder.Scalar(field, text, read)) return Invalid(refused->detail);
  return JsonOf(read);
}

}  // namespace

bool IsOfProfile(const gemel_field& field) {
  // Choices are for what a model works out.
  return field.source == GEMEL_FROM_PROFILE && field.choices_count == 0 &&
         field.type != GEMEL_WINDOW;
}

Result<json> ReadProfileFields(std::string_view text, std::span<const gemel_field> table) {
  // One level of fields, and one more, which is refused by name.
  constexpr int kDepth = 2;
  bool is_too_deep = false;
  const json object = json::parse(
      text,
      [&](int depth, json::parse_event_t, json&) {
        is_too_deep = is_too_deep || depth > kDepth;
        return !is_too_deep;
      },
      false);
  if (is_too_deep || !object.is_object())
    return Invalid(R"(no JSON object of fields and their values, like {"limit_c": 8})");
  codec::Decoder decoder;
  json fields = json::object();
  for (const auto& item : object.items()) {
    const auto field = std::ranges::find_if(table, [&](const gemel_field& known) {
      return item.key() == known.name && IsOfProfile(known);
    });
    if (field == table.end()) {
      return Invalid(fmt::format("{} is no profile field of the model; allowed: {}",
                                 Quote(item.key()), Allowed(table)));
    }
    GEMEL_TRY_LET(json value, ReadField(*field, item.value(), decoder));
    fields[item.key()] = std::move(value);
  }
  return fields;
}

Result<std::vector<journal::RecordSymbol>> InternProfile(const json& fields,
                                                         const model::Model& model,
                                                         Symbols& symbols) {
  std::vector<journal::RecordSymbol> interned;
  for (const auto& [field, text] : SymbolsOf({{"state", fields}}, model)) {
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
  json payload = {{"set", change.fields}};
  if (change.from == ProfileChange::From::kFile) payload["of_file"] = true;
  if (change.creates) payload["creates"] = true;
  return payload.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<ProfileChange> DecodeProfileChange(std::string_view payload) {
  json read = json::parse(payload, nullptr, false);
  if (!read.is_object()) return std::nullopt;
  const auto fields = read.find("set");
  if (fields == read.end() || !fields->is_object()) return std::nullopt;
  const auto is_so = [&read](const char* name) {
    const auto found = read.find(name);
    return found != read.end() && *found == true;
  };
  return ProfileChange{
      .from = is_so("of_file") ? ProfileChange::From::kFile : ProfileChange::From::kPerson,
      .creates = is_so("creates"),
      .fields = std::move(*fields)};
}

void Engine::ApplyProfileChange(const journal::RecordView& record) {
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
  if (!is_new) return;
  const model::Model& model = *world_.models[record.model()].model;
  ModelStats& stats = *stats_[record.model()];
  call_.Begin({&model, twin, &timers_, record.lsn(), record.record_time(), false});
  if (!model.OnInit(twin->state(), call_.context(), call_.failure())) {
    stats.failed.Add();
    DeleteTwin(record.model(), *twin);
    Refuse(record, {Refusal::kModelFailed, call_.failure()});
    return;
  }
  stats.twins_created.Add();
  CountDropped(stats);
  if (!call_.is_empty()) Commit(record, nullptr, *twin);
}

void Engine::SetProfile(const journal::RecordView& record, const ProfileChange& change,
                        Twin& twin) {
  const ModelEntry& entry = world_.models[record.model()];
  const model::Model& model = *entry.model;
  // What a twin begins with, for fields that nobody speaks for any more.
  model.Construct(undo_.data());
  if (entry.apply_profile) entry.apply_profile(record.id(), undo_.data());
  const auto symbol_of = [&record](size_t index) -> const journal::RecordSymbol* {
    for (const journal::RecordSymbol& symbol : record.symbols()) {
      if (symbol.field == index && symbol.is_refused == 0) return &symbol;
    }
    return nullptr;
  };
  for (const auto& item : change.fields.items()) {
    const auto index = model.FieldIndex(item.key());
    // It was when this was said; the model is another one by now.
    if (!index || !IsOfProfile(model.fields()[*index])) continue;
    const gemel_field& field = model.fields()[*index];
    std::vector<std::string>* const told = twin.side() == nullptr ? nullptr : &twin.side()->told;
    const bool is_told = told != nullptr && std::ranges::binary_search(*told, item.key());
    if (change.from == ProfileChange::From::kFile && is_told) continue;
    if (item.value().is_null()) {
      model::WriteValue(field, twin.state(), model::ReadValue(field, undo_.data()));
      if (is_told) told->erase(std::ranges::lower_bound(*told, item.key()));
      continue;
    }
    if (field.type == GEMEL_SYMBOL) {
      const journal::RecordSymbol* const symbol = symbol_of(*index);
      if (symbol == nullptr) continue;
      model::WriteValue(field, twin.state(), ToValue(Symbol{symbol->number}));
    } else if (!PutField(field, item.value(), twin.state())) {
      continue;
    }
    if (change.from == ProfileChange::From::kFile || is_told) continue;
    std::vector<std::string>& now_told = twin.MakeSide().told;
    now_told.insert(std::ranges::lower_bound(now_told, item.key()), item.key());
  }
}

}  // namespace gemel::twin
