#include "gateway/store/model_table.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/quote.h"
#include "gateway/model/state.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/side_text.h"

namespace gemel::store {
namespace {

constexpr std::string_view kTimeSuffix = "__at";
constexpr const char* kSystemColumns[] = {"gemel_lsn",      "gemel_telemetry_us", "gemel_seen",
                                          "gemel_alerts",   "gemel_repeats",      "gemel_timers",
                                          "gemel_commands", "gemel_told",         "gemel_crc"};
constexpr const char* kSystemTypes[] = {"INTEGER", "INTEGER", "TEXT", "TEXT",   "BLOB",
                                        "TEXT",    "TEXT",    "TEXT", "INTEGER"};
static_assert(std::size(kSystemColumns) == std::size(kSystemTypes));
// Which tables of older versions lack.
constexpr int kTimersColumn = 5;
constexpr int kCommandsColumn = 6;
constexpr int kToldColumn = 7;
constexpr const char* kTypeNames[] = {"null", "bool",   "int64", "double",
                                      "time", "symbol", "text",  "window"};

const char* SqlType(uint32_t type) {
  switch (type) {
    case GEMEL_DOUBLE:
      return "REAL";
    case GEMEL_SYMBOL:
    case GEMEL_TEXT:
      return "TEXT";
    case GEMEL_WINDOW:
      return "BLOB";
    default:
      return "INTEGER";
  }
}

// The names of all columns behind gemel_row.
std::vector<std::string> ColumnsOf(const std::vector<StoredField>& fields) {
  std::vector<std::string> columns = {"id"};
  for (const StoredField& field : fields) {
    columns.push_back(field.name);
    if (field.is_timed) columns.push_back(field.name + std::string(kTimeSuffix));
  }
  columns.insert(columns.end(), std::begin(kSystemColumns), std::end(kSystemColumns));
  return columns;
}

void AddValue(const gemel_value& value, const Symbols& symbols, RowWriter& writer) {
  switch (value.type) {
    case GEMEL_BOOL:
    case GEMEL_INT64:
    case GEMEL_TIME:
      writer.Add(value.as.integer);
      break;
    case GEMEL_DOUBLE:
      writer.Add(value.as.number);
      break;
    case GEMEL_SYMBOL:
      writer.Add(symbols.TextOf(Symbol{static_cast<uint32_t>(value.as.integer)}));
      break;
    case GEMEL_TEXT:
      writer.Add(std::string_view{value.as.text, value.length});
      break;
    default:
      writer.AddNull();
  }
}

bool Converts(uint32_t from, uint32_t to) {
  if (from == to) return true;
  switch (from) {
    case GEMEL_BOOL:
      return to == GEMEL_INT64 || to == GEMEL_DOUBLE;
    case GEMEL_INT64:
      return to == GEMEL_DOUBLE || to == GEMEL_TIME;
    case GEMEL_TIME:
      return to == GEMEL_INT64;
    case GEMEL_SYMBOL:
      return to == GEMEL_TEXT;
    case GEMEL_TEXT:
      return to == GEMEL_SYMBOL;
    default:
      return false;
  }
}

}  // namespace

std::vector<StoredField> StoredFieldsOf(const model::Model& model) {
  std::vector<StoredField> fields;
  for (const gemel_field& field : model.fields()) {
    const bool is_window = field.type == GEMEL_WINDOW;
    fields.push_back({.name = field.name,
                      .type = field.type,
                      .is_timed = field.time_offset != GEMEL_NO_OFFSET,
                      .layout = std::string(is_window ? model::LayoutOf(field) : ""),
                      .size = is_window ? field.size : 0});
  }
  return fields;
}

std::string ToJson(const std::vector<StoredField>& fields) {
  auto json = nlohmann::json::array();
  for (const StoredField& field : fields) {
    json.push_back(
        {{"name", field.name}, {"type", kTypeNames[field.type]}, {"timed", field.is_timed}});
    if (field.type != GEMEL_WINDOW) continue;
    json.back()["layout"] = field.layout;
    json.back()["size"] = field.size;
  }
  return json.dump();
}

std::optional<std::vector<StoredField>> FieldsFromJson(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return std::nullopt;
  std::vector<StoredField> fields;
  try {
    for (const auto& from : json) {
      const auto type = std::ranges::find(kTypeNames, from.at("type").get<std::string>());
      if (type == std::end(kTypeNames)) return std::nullopt;
      fields.push_back({.name = from.at("name").get<std::string>(),
                        .type = static_cast<uint32_t>(type - std::begin(kTypeNames)),
                        .is_timed = from.at("timed").get<bool>(),
                        .layout = from.value("layout", std::string()),
                        .size = from.value("size", uint32_t{0})});
    }
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return fields;
}

std::string CreateTable(std::string_view table, const std::vector<StoredField>& fields) {
  std::string sql =
      fmt::format("CREATE TABLE {} (gemel_row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE",
                  sqlite::QuoteName(table));
  for (const StoredField& field : fields) {
    sql += fmt::format(", {} {}", sqlite::QuoteName(field.name), SqlType(field.type));
    if (field.is_timed)
      sql += fmt::format(", {} INTEGER", sqlite::QuoteName(field.name + std::string(kTimeSuffix)));
  }
  for (size_t i = 0; i < std::size(kSystemColumns); ++i)
    sql += fmt::format(", {} {}", kSystemColumns[i], kSystemTypes[i]);
  return sql + ")";
}

std::string InsertInto(std::string_view table, const std::vector<StoredField>& fields) {
  std::string names;
  std::string values;
  int parameter = 1;
  for (const std::string& column : ColumnsOf(fields)) {
    names += sqlite::QuoteName(column) + ", ";
    values += fmt::format("?{}, ", parameter++);
  }
  return fmt::format("INSERT INTO {} ({}gemel_row) VALUES ({}?{})", sqlite::QuoteName(table), names,
                     values, parameter);
}

std::string UpdateOf(std::string_view table, const std::vector<StoredField>& fields) {
  std::string assignments;
  int parameter = 1;
  for (const std::string& column : ColumnsOf(fields)) {
    // A row's id never changes, and to set it would have SQLite take it out of the index and put it
    // back.
    if (parameter > 1) {
      assignments += fmt::format("{}{} = ?{}", parameter == 2 ? "" : ", ",
                                 sqlite::QuoteName(column), parameter);
    }
    ++parameter;
  }
  return fmt::format("UPDATE {} SET {} WHERE gemel_row = ?{}", sqlite::QuoteName(table),
                     assignments, parameter);
}

uint32_t WriteRow(const CopiedTwin& twin, const model::Model& model, const Symbols& symbols,
                  RowWriter& writer) {
  writer.Add(twin.id);
  for (const gemel_field& field : model.fields()) {
    if (field.type == GEMEL_WINDOW) {
      writer.AddBlob(model::WindowOf(field, twin.state));
      continue;
    }
    AddValue(model::ReadValue(field, twin.state), symbols, writer);
    if (field.time_offset == GEMEL_NO_OFFSET) continue;
    const Time at = model::EventTimeOf(field, twin.state);
    if (at == kNoTime) {
      writer.AddNull();
    } else {
      writer.Add(at.time_since_epoch().count());
    }
  }
  writer.Add(static_cast<int64_t>(twin.applied_lsn));
  writer.Add(twin.last_telemetry.time_since_epoch().count());
  writer.Add(twin.seen);
  if (twin.alerts.empty()) {
    writer.AddNull();
  } else {
    writer.Add(twin.alerts);
  }
  if (twin.repeats.empty()) {
    writer.AddNull();
  } else {
    writer.AddBlob(twin.repeats);
  }
  for (const std::string_view text : {twin.timers, twin.commands, twin.told}) {
    if (text.empty()) {
      writer.AddNull();
    } else {
      writer.Add(text);
    }
  }
  return writer.Finish();
}

Result<RowReader> RowReader::Make(const std::vector<StoredField>& stored, const twin::World& world,
                                  uint16_t model) {
  RowReader reader(world, model);
  const model::Model& target = *world.models[model].model;
  int column = 2;  // behind gemel_row and id
  for (const StoredField& from : stored) {
    const int value = column++;
    const int time = from.is_timed ? column++ : -1;
    const auto index = target.FieldIndex(from.name);
    if (!index) continue;
    const gemel_field& field = target.fields()[*index];
    if (!Converts(from.type, field.type)) {
      return Invalid(fmt::format(
          "model {}: field {} was saved as {} and is {} now, and nothing turns one into the other: "
          "give the field another name, or export and import without it",
          target.name(), from.name, kTypeNames[from.type], kTypeNames[field.type]));
    }
    const bool is_other_window = field.type == GEMEL_WINDOW &&
                                 (from.layout != model::LayoutOf(field) || from.size != field.size);
    if (is_other_window) continue;
    const bool is_timed = field.time_offset != GEMEL_NO_OFFSET;
    reader.columns_.push_back({&field, value, is_timed ? time : -1});
  }
  reader.first_system_ = column;
  return reader;
}

Status RowReader::Read(const CheckedRow& row, twin::Engine& engine, twin::Twin& twin) const {
  for (const Column& column : columns_) GEMEL_TRY(Restore(column, row, twin.state()));
  twin.applied_lsn = static_cast<Lsn>(row.integer(first_system_));
  twin.last_telemetry = Time{Duration{row.integer(first_system_ + 1)}};
  const bool is_whole =
      twin::RestoreSeen(row.text(first_system_ + 2), *world_, twin) &&
      twin::RestoreAlerts(row.text(first_system_ + 3), twin) &&
      twin::RestoreRepeats(row.blob(first_system_ + 4), *world_, twin) &&
      (!Has(row, kTimersColumn) || twin::RestoreTimers(row.text(first_system_ + kTimersColumn),
                                                       *world_, model_, engine.timers(), twin)) &&
      (!Has(row, kCommandsColumn) ||
       twin::RestoreCommands(row.text(first_system_ + kCommandsColumn), *world_, twin)) &&
      (!Has(row, kToldColumn) || twin::RestoreTold(row.text(first_system_ + kToldColumn), twin));
  engine.FinishRestore(model_, twin);
  if (is_whole) return Status::Ok();
  return Damaged(fmt::format("the row {} holds what was never written", Quote(twin.id())));
}

// The checksum stands behind all of them.
bool RowReader::Has(const CheckedRow& row, int system_column) const {
  return row.columns() > first_system_ + system_column + 1;
}

Status RowReader::Restore(const Column& column, const CheckedRow& row, std::byte* state) const {
  const gemel_field& field = *column.field;
  if (field.type == GEMEL_WINDOW) {
    const std::span<const std::byte> bytes = row.blob(column.value);
    if (bytes.size() != field.size) {
      return Damaged(fmt::format("the row {} has {} bytes of the window {}; it was written with {}",
                                 Quote(IdOf(row)), bytes.size(), field.name, field.size));
    }
    model::WriteWindow(field, state, bytes);
    return Status::Ok();
  }
  gemel_value value{GEMEL_NULL, 0, {.integer = 0}};
  if (row.type(column.value) != sqlite::Type::kNull) {
    value.type = field.type;
    switch (field.type) {
      case GEMEL_DOUBLE:
        value.as.number = row.real(column.value);
        break;
      case GEMEL_SYMBOL: {
        const std::string_view text = row.text(column.value);
        if (field.choices_count > 0) {
          model::WriteChoice(field, state, text);
          return Status::Ok();
        }
        const std::optional<Symbol> symbol =
            text.size() <= kSymbolBytesMax ? world_->symbols->Intern(text) : std::nullopt;
        value = symbol ? ToValue(*symbol) : gemel_value{GEMEL_NULL, 0, {.integer = 0}};
        break;
      }
      case GEMEL_TEXT:
        value = ToValue(row.text(column.value));
        break;
      default:
        value.as.integer = row.integer(column.value);
    }
  }
  // A field that has got an event time since, or none, keeps its default.
  const bool is_timed = field.time_offset != GEMEL_NO_OFFSET;
  if (is_timed) {
    if (column.time < 0 || row.type(column.time) == sqlite::Type::kNull) return Status::Ok();
    model::SetEventTime(field, state, Time{Duration{row.integer(column.time)}});
  }
  model::WriteValue(field, state, value);
  return Status::Ok();
}

}  // namespace gemel::store
