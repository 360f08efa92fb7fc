#include "gateway/store/store.h"

#include <algorithm>
#include <chrono>
#include <latch>

#include <fmt/format.h>

#include "gateway/base/crash_point.h"
#include "gateway/base/quote.h"

namespace gemel::store {
namespace {

constexpr std::chrono::microseconds kSliceMax{100};
// Twins between two looks at the clock.
constexpr size_t kStride = 8;
// Copies that a shard hands over at a time.
constexpr size_t kBatchBytes = 1024 * 1024;
// "GEML", so that `file` and we know whose database it is.
constexpr int64_t kApplicationId = 0x47454D4C;

constexpr const char* kOutbox = "gemel_outbox";
constexpr const char* kCheckpoints = "gemel_checkpoints";
constexpr const char* kTables = "gemel_tables";

// What brings a database from one version to the next, in order. The version is in user_version.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE gemel_tables (name TEXT PRIMARY KEY, fields TEXT, row_count INTEGER,
                                  checksums INTEGER, gemel_crc INTEGER) WITHOUT ROWID;
       CREATE TABLE gemel_checkpoints (shard INTEGER PRIMARY KEY, lsn INTEGER, gemel_crc INTEGER);
       CREATE TABLE gemel_outbox (position INTEGER PRIMARY KEY, lsn INTEGER, ordinal INTEGER,
                                  kind INTEGER, model TEXT, is_retained INTEGER,
                                  has_more INTEGER, decided_us INTEGER, lifetime_us INTEGER,
                                  topic TEXT, payload TEXT, gemel_crc INTEGER);)"};
constexpr int64_t kVersion = std::size(kMigrations);

Status WithAdvice(const sqlite::Database& database, Status status) {
  if (status.code() != Code::kDamaged) return status;
  return Damaged(fmt::format(
      "{}: {}. Restore the file from a copy, or move it away: the twins are then built again from "
      "what the journal still holds",
      database.path().string(), status.message()));
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& path,
                                           const twin::World& world, twin::ShardSet& shards) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadWrite));
  std::unique_ptr<Store> store(new Store(std::move(database), world, shards));
  if (Status status = store->Migrate(); !status.ok())
    return WithAdvice(store->database_, std::move(status));
  return store;
}

Store::Store(sqlite::Database database, const twin::World& world, twin::ShardSet& shards)
    : database_(std::move(database)), world_(world), shards_(shards), checkpoints_(shards.size()) {
  for (const twin::ModelEntry& entry : world.models) {
    Table& table = tables_.emplace_back();
    table.name = entry.model->name();
    table.fields = StoredFieldsOf(*entry.model);
    table.rows.resize(shards.size());
  }
}

Status Store::Migrate() {
  // Readers are never in the way in WAL mode; what a commit may lose at a loss of power, the
  // journal replays.
  GEMEL_TRY(
      database_.Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                    "PRAGMA cache_size = -65536"));
  GEMEL_TRY_LET(const int64_t application, database_.Integer("PRAGMA application_id"));
  GEMEL_TRY_LET(const int64_t version, database_.Integer("PRAGMA user_version"));
  GEMEL_TRY_LET(const int64_t objects, database_.Integer("SELECT count(*) FROM sqlite_schema"));
  const bool is_ours = application == kApplicationId || (objects == 0 && version == 0);
  if (!is_ours) return Damaged("it is no database of this program");
  if (version > kVersion) {
    return Invalid(fmt::format("{}: of version {}; this program knows versions up to {}",
                               database_.path().string(), version, kVersion));
  }
  for (int64_t next = version; next < kVersion; ++next) {
    GEMEL_TRY(database_.Run(fmt::format(
        "BEGIN IMMEDIATE; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT",
        kMigrations[next], kApplicationId, next + 1)));
  }
  return Status::Ok();
}

Result<Restored> Store::Restore(effects::Gate& gate) {
  Restored restored;
  const auto restore = [&]() -> Status {
    GEMEL_TRY(RestoreCheckpoints(restored));
    for (uint16_t model = 0; model < tables_.size(); ++model)
      GEMEL_TRY(RestoreTable(model, restored));
    return RestoreEffects(gate);
  };
  if (Status status = restore(); !status.ok()) return WithAdvice(database_, std::move(status));
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

Status Store::RestoreTable(uint16_t model, Restored& restored) {
  Table& table = tables_[model];
  GEMEL_TRY_LET(const auto sum, ReadSum(table.name));
  if (!sum) return Status::Ok();
  const auto stored = FieldsFromJson(sum->second);
  if (!stored)
    return Damaged(fmt::format("table {}: its fields are not what was written", table.name));
  GEMEL_TRY_LET(const RowReader reader, RowReader::Make(*stored, world_, model));
  table.is_current = *stored == table.fields;
  return RestoreRows(table, model, reader, sum->first, restored);
}

Status Store::RestoreRows(Table& table, uint16_t model, const RowReader& reader,
                          const Sum& expected, Restored& restored) {
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
    twin::Twin& twin = engine.Restore(model, hash, id);
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

Result<Saved> Store::Save(const Sources& sources) {
  if (!is_whole_) {
    // Whatever was written last may not be there: everything is written anew.
    for (Table& table : tables_) table.is_current = false;
    has_effects_ = true;
    if (!MarkAllDirty()) return Unavailable("the shards have ended");
  }
  is_whole_ = false;
  GEMEL_TRY(database_.Run("BEGIN IMMEDIATE"));
  Result<Saved> saved = SaveInTransaction(sources);
  if (saved.ok()) {
    CrashPoint("store.before_commit");
    Status status = database_.Run("COMMIT");
    CrashPoint("store.committed");
    if (status.ok()) {
      is_whole_ = true;
      return saved;
    }
    saved = std::move(status);
  }
  static_cast<void>(database_.Run("ROLLBACK"));  // there may be nothing to roll back any more
  return saved;
}

Result<Saved> Store::SaveInTransaction(const Sources& sources) {
  Saved saved;
  for (Table& table : tables_) GEMEL_TRY(PrepareTable(table));
  for (uint32_t shard = 0; shard < shards_.size(); ++shard)
    GEMEL_TRY(SaveShard(shard, sources, saved));
  CrashPoint("store.scanned");
  const std::vector<effects::OwnedEffect> effects = sources.effects();
  saved.effects = effects.size();
  // So also through every record that a copied row or an effect comes from: the database must never
  // be ahead of the journal.
  GEMEL_TRY(sources.journal.Sync());
  GEMEL_TRY(WriteEffects(effects));
  GEMEL_TRY(WriteCheckpoints());
  for (const Table& table : tables_)
    GEMEL_TRY(WriteSum(table.name, ToJson(table.fields), table.sum));
  saved.checkpoint = *std::ranges::min_element(checkpoints_);
  return saved;
}

Status Store::PrepareTable(Table& table) {
  if (!table.is_current) {
    table.insert.reset();
    table.update.reset();
    GEMEL_TRY(
        database_.Run(fmt::format("DROP TABLE IF EXISTS {}; {}", sqlite::QuoteName(table.name),
                                  CreateTable(table.name, table.fields))));
    for (std::vector<Row>& rows : table.rows) rows.clear();
    table.sum = {};
    table.next_row = 1;
    table.is_current = true;
  }
  if (table.insert) return Status::Ok();
  GEMEL_TRY_LET(table.insert, database_.Prepare(InsertInto(table.name, table.fields)));
  GEMEL_TRY_LET(table.update, database_.Prepare(UpdateOf(table.name, table.fields)));
  return Status::Ok();
}

bool Store::OnShard(uint32_t shard, const std::function<bool(twin::Engine&)>& slice) {
  std::latch done(1);
  const bool is_asked = shards_.Ask(shard, [&](twin::Engine& engine) {
    if (!slice(engine)) return false;
    done.count_down();
    return true;
  });
  if (is_asked) done.wait();
  return is_asked;
}

bool Store::MarkAllDirty() {
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const bool is_asked = OnShard(shard, [this](twin::Engine& engine) {
      for (uint16_t model = 0; model < tables_.size(); ++model) engine.table(model).MarkAllDirty();
      return true;
    });
    if (!is_asked) return false;
  }
  return true;
}

Status Store::SaveShard(uint32_t shard, const Sources& sources, Saved& saved) {
  // All that was appended before a shard is found idle was applied by it.
  const Lsn appended = sources.sequencer.last();
  Lsn checkpoint = kNoLsn;
  const bool is_asked = OnShard(shard, [&](const twin::Engine& engine) {
    checkpoint = engine.applied();
    if (shards_[shard].has_caught_up(sources.sequencer))
      checkpoint = std::max(checkpoint, appended);
    return true;
  });
  if (!is_asked) return Unavailable("the shards have ended");
  for (uint16_t model = 0; model < tables_.size(); ++model)
    GEMEL_TRY(SaveTwins(shard, model, saved));
  checkpoints_[shard] = std::max(checkpoints_[shard], checkpoint);
  return Status::Ok();
}

Status Store::SaveTwins(uint32_t shard, uint16_t model, Saved& saved) {
  const size_t state_size = world_.models[model].model->state_size();
  size_t from = 0;
  bool is_last = false;
  while (!is_last) {
    batch_.Clear();
    const bool is_asked = OnShard(shard, [&](twin::Engine& engine) {
      twin::TwinTable& table = engine.table(model);
      const auto end = std::chrono::steady_clock::now() + kSliceMax;
      for (size_t copied = 1;; ++copied) {
        const size_t slot = table.TakeDirty(from);
        is_last = slot == table.slots();
        if (is_last) return true;
        from = slot + 1;
        batch_.Add(*table.At(slot), state_size, world_);
        ++saved.twins;
        if (batch_.bytes() >= kBatchBytes) return true;
        if (copied % kStride == 0 && std::chrono::steady_clock::now() > end) return false;
      }
    });
    if (!is_asked) return Unavailable("the shards have ended");
    GEMEL_TRY(WriteBatch(shard, model));
    CrashPoint("store.scanning");
  }
  return Status::Ok();
}

Status Store::WriteBatch(uint32_t shard, uint16_t model) {
  Table& table = tables_[model];
  const model::Model& kind = *world_.models[model].model;
  std::vector<Row>& rows = table.rows[shard];
  Status status;
  batch_.ForEach(kind.state_size(), [&](const CopiedTwin& twin) {
    if (!status.ok()) return;
    if (rows.size() <= twin.slot) rows.resize(std::max<size_t>(twin.slot + 1, 2 * rows.size()));
    Row& row = rows[twin.slot];
    const bool is_new = row.number == 0;
    sqlite::Statement& statement = is_new ? *table.insert : *table.update;
    writer_.Begin(statement, table.name);
    const uint32_t checksum = WriteRow(twin, kind, *world_.symbols, writer_);
    if (is_new) {
      row.number = table.next_row++;
      ++table.sum.rows;
    }
    statement.Bind(writer_.parameters() + 1, static_cast<int64_t>(row.number));
    table.sum.checksums += int64_t{checksum} - int64_t{row.checksum};
    row.checksum = checksum;
    status = statement.Run();
  });
  return status;
}

Status Store::WriteEffects(const std::vector<effects::OwnedEffect>& effects) {
  if (effects.empty() && !has_effects_) return Status::Ok();
  GEMEL_TRY(database_.Run("DELETE FROM gemel_outbox"));
  GEMEL_TRY_LET(sqlite::Statement insert,
                database_.Prepare("INSERT INTO gemel_outbox (lsn, ordinal, kind, model, "
                                  "is_retained, has_more, decided_us, lifetime_us, topic, payload, "
                                  "gemel_crc) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"));
  Sum sum;
  for (const effects::OwnedEffect& owned : effects) {
    const effects::Effect effect = owned.view();
    writer_.Begin(insert, kOutbox);
    writer_.Add(static_cast<int64_t>(effect.id.lsn));
    writer_.Add(int64_t{effect.id.ordinal});
    writer_.Add(static_cast<int64_t>(effect.kind));
    writer_.Add(std::string_view(effect.model < tables_.size() ? tables_[effect.model].name : ""));
    writer_.Add(int64_t{effect.is_retained});
    writer_.Add(int64_t{effect.has_more});
    writer_.Add(effect.decided.time_since_epoch().count());
    writer_.Add(effect.lifetime.count());
    writer_.Add(effect.topic);
    writer_.Add(effect.payload);
    sum.checksums += writer_.Finish();
    ++sum.rows;
    GEMEL_TRY(insert.Run());
  }
  has_effects_ = !effects.empty();
  return WriteSum(kOutbox, "", sum);
}

Status Store::WriteCheckpoints() {
  GEMEL_TRY(database_.Run("DELETE FROM gemel_checkpoints"));
  GEMEL_TRY_LET(sqlite::Statement insert,
                database_.Prepare("INSERT INTO gemel_checkpoints VALUES (?1, ?2, ?3)"));
  Sum sum;
  for (size_t shard = 0; shard < checkpoints_.size(); ++shard) {
    writer_.Begin(insert, kCheckpoints);
    writer_.Add(static_cast<int64_t>(shard));
    writer_.Add(static_cast<int64_t>(checkpoints_[shard]));
    sum.checksums += writer_.Finish();
    ++sum.rows;
    GEMEL_TRY(insert.Run());
  }
  return WriteSum(kCheckpoints, "", sum);
}

Status Store::WriteSum(const std::string& table, const std::string& fields, const Sum& sum) {
  GEMEL_TRY_LET(sqlite::Statement replace,
                database_.Prepare("INSERT OR REPLACE INTO gemel_tables VALUES (?1,?2,?3,?4,?5)"));
  writer_.Begin(replace, kTables);
  writer_.Add(std::string_view(table));
  writer_.Add(std::string_view(fields));
  writer_.Add(sum.rows);
  writer_.Add(sum.checksums);
  writer_.Finish();
  return replace.Run();
}

Status Store::Checkpoint() { return database_.Run("PRAGMA wal_checkpoint(TRUNCATE)"); }

uint64_t Store::bytes() const {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(database_.path(), error);
  return error ? 0 : bytes;
}

}  // namespace gemel::store
