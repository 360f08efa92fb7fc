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

Result<std::optional<std::pair<Store::Sum, std::string>>> Store::ReadSum(const std::string& table) {
  GEMEL_TRY_LET(sqlite::Statement select,
                database_.Prepare("SELECT * FROM gemel_tables WHERE name = ?1"));
  select.Bind(1, std::string_view(table));
  GEMEL_TRY_LET(const bool is_known, select.Step());
  std::optional<std::pair<Sum, std::string>> sum;
  if (!is_known) return sum;
  GEMEL_TRY(CheckRow(select, kTables, 0));
  sum.emplace(Sum{select.integer(2), select.integer(3)}, std::string(select.text(1)));
  return sum;
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
  table.is_current = *stored == table.fields;
  return RestoreRows(table, model, reader, sum->first, restored);
}

Status Store::RestoreRows(Table& table, size_t model, const RowReader& reader, const Sum& expected,
                          Restored& restored) {
  GEMEL_TRY_LET(sqlite::Statement select,
                database_.Prepare(fmt::format("SELECT * FROM {} ORDER BY gemel_row",
                                              sqlite::QuoteName(table.name))));
  Sum sum;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    GEMEL_TRY(CheckRow(select, table.name, 1));
    const std::string_view id = RowReader::IdOf(select);
    const uint64_t hash = HashKey(table.name, id);
    const auto shard = static_cast<uint32_t>(PartitionOf(hash) % shards_.size());
    twin::Engine& engine = shards_.engine(shard);
    if (id.empty() || id.size() > kIdBytesMax || engine.table(model).Find(hash, id) != nullptr)
      return Damaged(fmt::format("table {}: the twin {} is there twice", table.name, Quote(id)));
    twin::Twin& twin = engine.Restore(static_cast<uint16_t>(model), hash, id);
    GEMEL_TRY(reader.Read(select, twin));
    restored.highest = std::max(restored.highest, twin.applied_lsn);
    const auto checksum = static_cast<uint32_t>(select.integer(select.columns() - 1));
    sum.checksums += checksum;
    ++sum.rows;
    if (table.is_current) {
      std::vector<Row>& rows = table.rows[shard];
      if (rows.size() <= twin.slot()) rows.resize(twin.slot() + 1);
      rows[twin.slot()] = {static_cast<uint32_t>(select.integer(0)), checksum};
      table.next_row = std::max(table.next_row, rows[twin.slot()].number + 1);
    } else {
      engine.table(model).MarkDirty(twin);
    }
  }
  if (sum.rows != expected.rows || sum.checksums != expected.checksums) {
    return Damaged(fmt::format("table {}: {} rows were written and {} are there, or not the same",
                               table.name, expected.rows, sum.rows));
  }
  restored.twins += static_cast<uint64_t>(sum.rows);
  if (table.is_current) table.sum = sum;
  return Status::Ok();
}

Status Store::RestoreCheckpoints(Restored& restored) {
  GEMEL_TRY_LET(sqlite::Statement select, database_.Prepare("SELECT * FROM gemel_checkpoints"));
  GEMEL_TRY_LET(const auto expected, ReadSum(kCheckpoints));
  Sum sum;
  bool is_first = true;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    GEMEL_TRY(CheckRow(select, kCheckpoints, 0));
    const auto lsn = static_cast<Lsn>(select.integer(1));
    restored.checkpoint = is_first ? lsn : std::min(restored.checkpoint, lsn);
    restored.highest = std::max(restored.highest, lsn);
    is_first = false;
    ++sum.rows;
    sum.checksums += select.integer(2);
  }
  const Sum wanted = expected ? expected->first : Sum{};
  if (sum.rows != wanted.rows || sum.checksums != wanted.checksums)
    return Damaged("table gemel_checkpoints: rows are missing");
  std::ranges::fill(checkpoints_, restored.checkpoint);
  return Status::Ok();
}

Status Store::RestoreDeletions(Restored& restored) {
  GEMEL_TRY_LET(sqlite::Statement select, database_.Prepare("SELECT * FROM gemel_deletions"));
  GEMEL_TRY_LET(const auto expected, ReadSum(kDeletions));
  Sum sum;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    GEMEL_TRY(CheckRow(select, kDeletions, 0));
    const auto key_hash = static_cast<uint64_t>(select.integer(0));
    const auto lsn = static_cast<Lsn>(select.integer(1));
    deletions_[key_hash] = lsn;
    restored.highest = std::max(restored.highest, lsn);
    shards_.engine(PartitionOf(key_hash) % static_cast<uint32_t>(shards_.size()))
        .RestoreDeletion(key_hash, lsn);
    ++sum.rows;
    sum.checksums += select.integer(2);
  }
  const Sum wanted = expected ? expected->first : Sum{};
  if (sum.rows != wanted.rows || sum.checksums != wanted.checksums)
    return Damaged("table gemel_deletions: rows are missing");
  has_deletions_ = sum.rows > 0;
  return Status::Ok();
}

Status Store::RestoreEffects(effects::Gate& gate) {
  GEMEL_TRY_LET(const auto expected, ReadSum(kOutbox));
  GEMEL_TRY_LET(sqlite::Statement select,
                database_.Prepare("SELECT * FROM gemel_outbox ORDER BY position"));
  Sum sum;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    GEMEL_TRY(CheckRow(select, kOutbox, 1));
    const auto model = std::ranges::find(tables_, select.text(4), &Table::name);
    effects::Effect effect{
        .id = {static_cast<Lsn>(select.integer(1)), static_cast<uint32_t>(select.integer(2))},
        .kind = static_cast<effects::EffectKind>(select.integer(3)),
        .is_retained = select.integer(5) != 0,
        .has_more = select.integer(6) != 0,
        .decided = Time{Duration{select.integer(7)}},
        .lifetime = Duration{select.integer(8)},
        .topic = select.text(9),
        .payload = select.text(10)};
    if (model == tables_.end()) {
      effect.kind = effects::EffectKind::kAlert;  // commands are counted by model
    } else {
      effect.model = static_cast<uint16_t>(model - tables_.begin());
    }
    gate.Restore(effect);
    ++sum.rows;
    sum.checksums += select.integer(select.columns() - 1);
  }
  const Sum wanted = expected ? expected->first : Sum{};
  if (sum.rows != wanted.rows || sum.checksums != wanted.checksums)
    return Damaged("table gemel_outbox: rows are missing");
  has_effects_ = sum.rows > 0;
  return Status::Ok();
}

}  // namespace gemel::store
