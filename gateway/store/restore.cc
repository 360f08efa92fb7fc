// The part of the store that reads back what it has saved.

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/store/store.h"

namespace gemel::store {

Result<Restored> Store::Restore(effects::Gate& gate) {
  Restored restored;
  const auto restore = [&]() -> Status {
    GEMEL_TRY(RestoreCheckpoints(restored));
    for (size_t model = 0; model < tables_.size(); ++model)
      GEMEL_TRY(RestoreTable(model, restored));
    GEMEL_TRY(RestoreDeletions(restored));
    return RestoreEffects(gate);
  };
  if (Status status = restore(); !status.ok()) return WithAdvice(std::move(status));
  return restored;
}

Result<std::optional<std::pair<Sum, std::string>>> Store::ReadSum(const std::string& table) {
  GEMEL_TRY_LET(sqlite::Statement select,
                database_.Prepare("SELECT * FROM gemel_tables WHERE name = ?1"));
  select.Bind(1, std::string_view(table));
  GEMEL_TRY_LET(const bool is_known, select.Step());
  std::optional<std::pair<Sum, std::string>> sum;
  if (!is_known) return sum;
  CheckedRow row(select, kTables);
  GEMEL_TRY(row.Take());
  sum.emplace(Sum{row.integer(2), row.integer(3)}, std::string(row.text(1)));
  return sum;
}

Result<Sum> Store::RestoreAll(const std::string& table,
                              const std::function<Status(const CheckedRow&)>& restore) {
  GEMEL_TRY_LET(const auto written, ReadSum(table));
  GEMEL_TRY_LET(const Sum found, ReadRows(database_, table, restore));
  GEMEL_TRY(CheckSum(table, written ? written->first : Sum{}, found));
  return found;
}

Status Store::RestoreTable(size_t model, Restored& restored) {
  Table& table = tables_[model];
  GEMEL_TRY_LET(const auto sum, ReadSum(table.name));
  if (!sum) return Status::Ok();
  const auto stored = FieldsFromJson(sum->second);
  if (!stored)
    return Damaged(fmt::format("table {}: its fields are not what was written", table.name));
  GEMEL_TRY_LET(const RowReader reader,
                RowReader::Make(*stored, world_, static_cast<uint16_t>(model)));
  // One of version 4 has no room for what was told and is written anew.
  GEMEL_TRY_LET(sqlite::Statement columns,
                database_.Prepare("SELECT count(*) FROM pragma_table_info(?1) "
                                  "WHERE name = 'gemel_told'"));
  columns.Bind(1, std::string_view(table.name));
  GEMEL_TRY(columns.Step().status());
  table.is_current = *stored == table.fields && columns.integer(0) == 1;
  GEMEL_TRY_LET(const Sum found, RestoreAll(table.name, [&](const CheckedRow& row) {
                  return RestoreTwin(table, model, reader, row, restored);
                }));
  restored.twins += static_cast<uint64_t>(found.rows);
  if (table.is_current) table.sum = found;
  return Status::Ok();
}

Status Store::RestoreTwin(Table& table, size_t model, const RowReader& reader,
                          const CheckedRow& row, Restored& restored) {
  const std::string_view id = RowReader::IdOf(row);
  const uint64_t hash = HashKey(table.name, id);
  const auto shard = static_cast<uint32_t>(PartitionOf(hash) % shards_.size());
  twin::Engine& engine = shards_.engine(shard);
  if (id.empty() || id.size() > kIdBytesMax || engine.table(model).Find(hash, id) != nullptr)
    return Damaged(fmt::format("table {}: the twin {} is there twice", table.name, Quote(id)));
  twin::Twin& twin = engine.Restore(static_cast<uint16_t>(model), hash, id);
  GEMEL_TRY(reader.Read(row, engine, twin));
  restored.highest_row = std::max(restored.highest_row, twin.applied_lsn);
  if (!table.is_current) {
    engine.table(model).MarkDirty(twin);
    return Status::Ok();
  }
  std::vector<Row>& rows = table.rows[shard];
  if (rows.size() <= twin.slot()) rows.resize(twin.slot() + 1);
  rows[twin.slot()] = {static_cast<uint32_t>(row.integer(0)),
                       static_cast<uint32_t>(row.checksum())};
  table.next_row = std::max(table.next_row, rows[twin.slot()].number + 1);
  return Status::Ok();
}

Status Store::RestoreCheckpoints(Restored& restored) {
  std::vector<Lsn> checkpoints;
  GEMEL_TRY(RestoreAll(kCheckpoints, [&](const CheckedRow& row) {
              checkpoints.push_back(static_cast<Lsn>(row.integer(1)));
              return Status::Ok();
            }).status());
  if (checkpoints.empty()) return Status::Ok();
  restored.checkpoint = std::ranges::min(checkpoints);
  restored.highest_checkpoint = std::ranges::max(checkpoints);
  std::ranges::fill(checkpoints_, restored.checkpoint);
  return Status::Ok();
}

Status Store::RestoreDeletions(Restored& restored) {
  GEMEL_TRY_LET(const Sum sum, RestoreAll(kDeletions, [&](const CheckedRow& row) {
                  const auto key_hash = static_cast<uint64_t>(row.integer(0));
                  const auto lsn = static_cast<Lsn>(row.integer(1));
                  deletions_[key_hash] = lsn;
                  restored.highest_row = std::max(restored.highest_row, lsn);
                  shards_.engine(PartitionOf(key_hash) % static_cast<uint32_t>(shards_.size()))
                      .RestoreDeletion(key_hash, lsn);
                  return Status::Ok();
                }));
  has_deletions_ = sum.rows > 0;
  return Status::Ok();
}

Status Store::RestoreEffects(effects::Gate& gate) {
  GEMEL_TRY_LET(const Sum sum, RestoreAll(kOutbox, [&](const CheckedRow& row) {
                  gate.Restore(EffectOf(row));
                  return Status::Ok();
                }));
  has_effects_ = sum.rows > 0;
  return RestoreAll(kWebhookOutbox,
                    [&](const CheckedRow& row) {
                      gate.Restore({.id = {static_cast<Lsn>(row.integer(2)),
                                           static_cast<uint32_t>(row.integer(3))},
                                    .kind = effects::EffectKind::kAlert,
                                    .key_hash = static_cast<uint64_t>(row.integer(4)),
                                    .decided = Time{Duration{row.integer(5)}},
                                    .lifetime = Duration{row.integer(6)},
                                    .payload = row.text(7),
                                    .webhook = row.text(1)});
                      return Status::Ok();
                    })
      .status();
}

effects::Effect Store::EffectOf(const CheckedRow& row) const {
  effects::Effect effect{
      .id = {static_cast<Lsn>(row.integer(1)), static_cast<uint32_t>(row.integer(2))},
      .kind = static_cast<effects::EffectKind>(row.integer(3)),
      .is_retained = row.integer(5) != 0,
      .has_more = row.integer(6) != 0,
      .decided = Time{Duration{row.integer(7)}},
      .lifetime = Duration{row.integer(8)},
      .topic = row.text(9),
      .payload = row.text(10)};
  const auto model = std::ranges::find(tables_, row.text(4), &Table::name);
  if (model == tables_.end()) {
    effect.kind = effects::EffectKind::kAlert;  // because commands are counted by model
  } else {
    effect.model = static_cast<uint16_t>(model - tables_.begin());
  }
  return effect;
}

}  // namespace gemel::store
