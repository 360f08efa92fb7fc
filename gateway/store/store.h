#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/effects/gate.h"
#include "gateway/journal/journal.h"
#include "gateway/journal/sequencer.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/model_table.h"
#include "gateway/store/row.h"
#include "gateway/store/twin_batch.h"
#include "gateway/twin/shard_set.h"

namespace gemel::store {

// What restoring has found.
struct Restored {
  Lsn checkpoint = kNoLsn;  // the lowest of all shards: the journal is needed from behind it
  Lsn highest_checkpoint = kNoLsn;
  Lsn highest_row = kNoLsn;  // the newest record that a row has seen
  uint64_t twins = 0;
};

// What a snapshot has written.
struct Saved {
  Lsn checkpoint = kNoLsn;
  uint64_t twins = 0;
  uint64_t effects = 0;
};

// The twins' database: a table a model with typed columns, the effects that wait, and how far each
// shard was. Described in schema/snapshot.sql. One thread at a time, and the only writer.
class Store {
 public:
  // Opens the database, makes it if missing, brings it to this program's version. Damaged if SQLite
  // says so or it is none of ours, Invalid if it is of a newer version, Unavailable if the disk
  // fails. World and shards outlive the store.
  static Result<std::unique_ptr<Store>> Open(const std::filesystem::path& path,
                                             const twin::World& world, twin::ShardSet& shards);

  // Makes the twins of all tables whose model there is, and gives the effects that waited to the
  // gate. Damaged, naming table and row, if a value is not what was written; Invalid where a
  // field's new type fits no rule. REQUIRES: called once, before the shards are started and
  // anything is saved
  Result<Restored> Restore(effects::Gate& gate);
  // From which record on each of these webhooks gets alerts: one that was not there at the last
  // start gets those of `next` and later ones, so that it is not told of what was before it. Others
  // are forgotten. Survives a loss of power when it returns. REQUIRES: after Restore
  Result<std::map<std::string, Lsn, std::less<>>> EnrolWebhooks(
      const std::vector<std::string>& names, Lsn next);

  using WebhookEffects = std::vector<std::shared_ptr<const effects::OwnedEffect>>;
  struct Sources {
    journal::Sequencer& sequencer;
    journal::Journal& journal;
    // Copies of the effects that the broker has not acknowledged.
    std::function<std::vector<effects::OwnedEffect>()> effects;
    // Told on a shard's thread how long a slice has held it; may be empty.
    std::function<void(std::chrono::nanoseconds)> on_slice;
    // Those that have not ended at their webhooks. May be empty.
    std::function<WebhookEffects()> webhook_effects = {};
    // Called once all is copied and before it is committed: what must be safe before a replay does
    // not decide it once more. May be empty.
    std::function<void()> before_commit = {};
  };
  // Saves the twins that have changed since the last time, the effects that wait and how far each
  // shard was, all or nothing. Shards are held for slices of about 100 us. After a failure
  // everything is saved next time. Full or Unavailable if a disk says so; Unavailable if shards
  // have ended.
  Result<Saved> Save(const Sources& sources);
  // Has what was saved survive a loss of power. False if it can't be said, because somebody reads
  // the database: SQLite calls that no failure.
  Result<bool> Checkpoint();

 private:
  static constexpr const char* kOutbox = "gemel_outbox";
  static constexpr const char* kWebhookOutbox = "gemel_webhook_outbox";
  static constexpr const char* kWebhooks = "gemel_webhooks";
  static constexpr const char* kCheckpoints = "gemel_checkpoints";
  static constexpr const char* kDeletions = "gemel_deletions";
  static constexpr const char* kTables = "gemel_tables";
  // Copies that a shard hands over at a time.
  static constexpr size_t kBatchBytes = size_t{1'024} * 1'024;

  struct Row {
    uint32_t number = 0;  // gemel_row; 0: not saved yet
    uint32_t checksum = 0;
  };
  struct Table {
    std::string name;
    std::vector<StoredField> fields;
    bool is_current = false;  // the table in the database is of these fields
    Sum sum;
    uint32_t next_row = 1;
    std::optional<sqlite::Statement> insert;
    std::optional<sqlite::Statement> update;
    std::optional<sqlite::Statement> remove;
    std::vector<std::vector<Row>> rows;  // by shard and slot
  };

  Store(sqlite::Database database, const twin::World& world, twin::ShardSet& shards);
  Status Migrate();
  // What can be done about a damaged file.
  Status WithAdvice(Status status) const;
  Status RestoreTable(size_t model, Restored& restored);
  Status RestoreTwin(Table& table, size_t model, const RowReader& reader, const CheckedRow& row,
                     Restored& restored);
  Status RestoreCheckpoints(Restored& restored);
  Status RestoreDeletions(Restored& restored);
  Status RestoreEffects(effects::Gate& gate);
  Status WriteWebhooks(const std::map<std::string, Lsn, std::less<>>& since);
  effects::Effect EffectOf(const CheckedRow& row) const;
  // Calls restore(row) for each row of a table, and checks that all are there that were written.
  Result<Sum> RestoreAll(const std::string& table,
                         const std::function<Status(const CheckedRow&)>& restore);
  // What the database says that it holds of a table; nothing if it does not know the table.
  Result<std::optional<std::pair<Sum, std::string>>> ReadSum(const std::string& table);

  Result<Saved> SaveInTransaction(const Sources& sources);
  Status PrepareTable(Table& table);
  Status SaveShard(uint32_t shard, const Sources& sources, Saved& saved);
  Status SaveTwins(uint32_t shard, size_t model, Saved& saved);
  Status WriteBatch(uint32_t shard, size_t model);
  Status DeleteRows(uint32_t shard, size_t model,
                    const std::vector<twin::TwinTable::Deleted>& deleted);
  Status WriteDeletions();
  Status WriteEffects(const std::vector<effects::OwnedEffect>& effects);
  // Only what has changed since the last snapshot: a webhook may be away for hours.
  Status WriteWebhookEffects(const WebhookEffects& effects);
  Result<Row> InsertWebhookEffect(sqlite::Statement& insert, const effects::OwnedEffect& owned);
  Status WriteCheckpoints();
  Status WriteSum(const std::string& table, const std::string& fields, const Sum& sum);
  // Runs on the shard's thread, slice by slice, and waits for it. False once the shard has ended.
  bool OnShard(uint32_t shard, const std::function<bool(twin::Engine&)>& slice);
  bool MarkAllDirty();

  sqlite::Database database_;
  const twin::World& world_;
  twin::ShardSet& shards_;
  std::vector<Table> tables_;     // by model
  std::vector<Lsn> checkpoints_;  // by shard
  // By key: at the LSN of its deletion, until all checkpoints have passed that.
  std::map<uint64_t, Lsn> deletions_;
  bool has_deletions_ = false;  // in the database
  bool has_effects_ = false;    // in the database
  // What gemel_webhook_outbox holds, by webhook and id; nothing if that is not known.
  using WebhookKey = std::tuple<std::string, Lsn, uint32_t>;
  std::optional<std::map<WebhookKey, Row>> webhook_rows_;
  uint32_t next_webhook_row_ = 1;
  bool is_whole_ = true;  // what is dirty is all that has changed
  TwinBatch batch_{kBatchBytes + kBatchBytes / 4};
  RowWriter writer_;
  std::function<void(std::chrono::nanoseconds)> on_slice_;
};

}  // namespace gemel::store
