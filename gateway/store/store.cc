#include "gateway/store/store.h"

#include <algorithm>
#include <chrono>
#include <latch>

#include <fmt/format.h>

#include "gateway/base/crash_point.h"
#include "gateway/journal/folder.h"

namespace gemel::store {
namespace {

constexpr std::chrono::microseconds kSliceMax{100};
// Twins between two looks at the clock.
constexpr size_t kStride = 8;
// "GEML", so that `file` and we know whose database it is.
constexpr int64_t kApplicationId = 0x47454D4C;

// What brings a database from one version to the next, in order. The version is in user_version.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE gemel_tables (name TEXT PRIMARY KEY, fields TEXT, row_count INTEGER,
                                  checksums INTEGER, gemel_crc INTEGER) WITHOUT ROWID;
       CREATE TABLE gemel_checkpoints (shard INTEGER PRIMARY KEY, lsn INTEGER, gemel_crc INTEGER);
       CREATE TABLE gemel_deletions (key_hash INTEGER PRIMARY KEY, lsn INTEGER,
                                     gemel_crc INTEGER);
       CREATE TABLE gemel_outbox (position INTEGER PRIMARY KEY, lsn INTEGER, ordinal INTEGER,
                                  kind INTEGER, model TEXT, is_retained INTEGER,
                                  has_more INTEGER, decided_us INTEGER, lifetime_us INTEGER,
                                  topic TEXT, payload TEXT, gemel_crc INTEGER);)",
    R"(CREATE TABLE gemel_webhooks (name TEXT PRIMARY KEY, since INTEGER, gemel_crc INTEGER)
           WITHOUT ROWID;
       CREATE TABLE gemel_webhook_outbox (position INTEGER PRIMARY KEY, webhook TEXT, lsn INTEGER,
                                          ordinal INTEGER, key_hash INTEGER, decided_us INTEGER,
                                          lifetime_us INTEGER, payload TEXT, gemel_crc INTEGER);)",
    // Tables of models have gemel_timers from here on, then gemel_commands, then gemel_told; one
    // without is written anew.
    "", "", ""};
constexpr int64_t kVersion = std::size(kMigrations);

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& path,
                                           const twin::World& world, twin::ShardSet& shards) {
  GEMEL_TRY(journal::MakeFolder(path.parent_path()));
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadWrite));
  std::unique_ptr<Store> store(new Store(std::move(database), world, shards));
  if (Status status = store->Migrate(); !status.ok()) return store->WithAdvice(std::move(status));
  return store;
}

Status Store::WithAdvice(Status status) const {
  if (status.code() != Code::kDamaged) return status;
  return Damaged(
      fmt::format("{}: {}. Restore the file from a copy, or see what `gemel repair` can do: it "
                  "says whether the journal still holds all that the twins are built again from",
                  database_.path().string(), status.message()));
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

Result<Saved> Store::Save(const Sources& sources) {
  on_slice_ = sources.on_slice;
  if (!is_whole_) {
    // Whatever was written last may not be there: everything is written anew.
    for (Table& table : tables_) table.is_current = false;
    has_effects_ = true;
    webhook_rows_.reset();
    has_deletions_ = true;
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
  WebhookEffects webhook_effects;
  if (sources.webhook_effects) webhook_effects = sources.webhook_effects();
  saved.effects = effects.size() + webhook_effects.size();
  // So also through every record that a copied row or an effect comes from: the database must never
  // be ahead of the journal.
  GEMEL_TRY(sources.journal.Sync());
  if (sources.before_commit) sources.before_commit();
  GEMEL_TRY(WriteEffects(effects));
  GEMEL_TRY(WriteWebhookEffects(webhook_effects));
  GEMEL_TRY(WriteCheckpoints());
  GEMEL_TRY(WriteDeletions());
  for (const Table& table : tables_)
    GEMEL_TRY(WriteSum(table.name, ToJson(table.fields), table.sum));
  saved.checkpoint = *std::ranges::min_element(checkpoints_);
  return saved;
}

Status Store::PrepareTable(Table& table) {
  if (!table.is_current) {
    table.insert.reset();
    table.update.reset();
    table.remove.reset();
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
  GEMEL_TRY_LET(table.remove, database_.Prepare(fmt::format("DELETE FROM {} WHERE gemel_row = ?1",
                                                            sqlite::QuoteName(table.name))));
  return Status::Ok();
}

bool Store::OnShard(uint32_t shard, const std::function<bool(twin::Engine&)>& slice) {
  std::latch done(1);
  const bool is_asked = shards_.Ask(shard, [&](twin::Engine& engine) {
    const auto begin = std::chrono::steady_clock::now();
    const bool is_done = slice(engine);
    if (on_slice_) on_slice_(std::chrono::steady_clock::now() - begin);
    if (is_done) done.count_down();
    return is_done;
  });
  if (is_asked) done.wait();
  return is_asked;
}

bool Store::MarkAllDirty() {
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const bool is_asked = OnShard(shard, [this](twin::Engine& engine) {
      for (size_t model = 0; model < tables_.size(); ++model) engine.table(model).MarkAllDirty();
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
  for (size_t model = 0; model < tables_.size(); ++model) GEMEL_TRY(SaveTwins(shard, model, saved));
  checkpoints_[shard] = std::max(checkpoints_[shard], checkpoint);
  return Status::Ok();
}

Status Store::SaveTwins(uint32_t shard, size_t model, Saved& saved) {
  const size_t state_size = world_.models[model].model->state_size();
  size_t from = 0;
  bool is_last = false;
  while (!is_last) {
    batch_.Clear();
    std::vector<twin::TwinTable::Deleted> deleted;
    const bool is_asked = OnShard(shard, [&](twin::Engine& engine) {
      twin::TwinTable& table = engine.table(model);
      // Before a copy of what they were: a batch ends where a twin is deleted.
      if (table.has_deleted() && batch_.bytes() > 0) return true;
      for (const auto& one : table.TakeDeleted()) deleted.push_back(one);
      const auto end = std::chrono::steady_clock::now() + kSliceMax;
      for (size_t copied = 1;; ++copied) {
        const size_t slot = table.TakeDirty(from);
        is_last = slot == table.slots();
        if (is_last) return true;
        from = slot + 1;
        batch_.Add(*table.At(slot), state_size, engine);
        ++saved.twins;
        if (batch_.bytes() >= kBatchBytes) return true;
        if (copied % kStride == 0 && std::chrono::steady_clock::now() > end) return false;
      }
    });
    if (!is_asked) return Unavailable("the shards have ended");
    GEMEL_TRY(DeleteRows(shard, model, deleted));
    GEMEL_TRY(WriteBatch(shard, model));
    CrashPoint("store.scanning");
  }
  return Status::Ok();
}

Status Store::DeleteRows(uint32_t shard, size_t model,
                         const std::vector<twin::TwinTable::Deleted>& deleted) {
  Table& table = tables_[model];
  std::vector<Row>& rows = table.rows[shard];
  for (const twin::TwinTable::Deleted& one : deleted) {
    deletions_[one.key_hash] = one.lsn;
    if (one.slot >= rows.size() || rows[one.slot].number == 0) continue;
    Row& row = rows[one.slot];
    table.remove->Bind(1, static_cast<int64_t>(row.number));
    GEMEL_TRY(table.remove->Run());
    --table.sum.rows;
    table.sum.checksums -= row.checksum;
    row = {};
  }
  return Status::Ok();
}

Status Store::WriteDeletions() {
  const Lsn checkpoint = *std::ranges::min_element(checkpoints_);
  std::erase_if(deletions_, [checkpoint](const auto& one) { return one.second <= checkpoint; });
  if (deletions_.empty() && !has_deletions_) return Status::Ok();
  GEMEL_TRY(database_.Run("DELETE FROM gemel_deletions"));
  GEMEL_TRY_LET(sqlite::Statement insert,
                database_.Prepare("INSERT INTO gemel_deletions VALUES (?1, ?2, ?3)"));
  Sum sum;
  for (const auto& [key_hash, lsn] : deletions_) {
    writer_.Begin(insert, kDeletions);
    writer_.Add(static_cast<int64_t>(key_hash));
    writer_.Add(static_cast<int64_t>(lsn));
    sum.checksums += writer_.Finish();
    ++sum.rows;
    GEMEL_TRY(insert.Run());
  }
  has_deletions_ = !deletions_.empty();
  return WriteSum(kDeletions, "", sum);
}

Status Store::WriteBatch(uint32_t shard, size_t model) {
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
    // It must live until the row is written.
    const std::string_view model =
        effect.model < tables_.size() ? std::string_view(tables_[effect.model].name) : "";
    writer_.Add(model);
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

Result<bool> Store::Checkpoint() {
  GEMEL_TRY_LET(sqlite::Statement checkpoint, database_.Prepare("PRAGMA wal_checkpoint(TRUNCATE)"));
  GEMEL_TRY_LET(const bool has_row, checkpoint.Step());
  return has_row && checkpoint.integer(0) == 0;
}

}  // namespace gemel::store
