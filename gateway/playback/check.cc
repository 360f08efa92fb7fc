#include "gateway/playback/check.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "gateway/playback/diff.h"
#include "gateway/playback/fold.h"
#include "gateway/playback/run_files.h"
#include "gateway/playback/scratch.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/bases.h"

namespace gemel::playback {
namespace {

// Up to which record a snapshot has seen each twin.
class Seen {
 public:
  static Result<Seen> Read(const std::filesystem::path& snapshot, const twin::World& world) {
    GEMEL_TRY_LET(auto database,
                  sqlite::Database::Open(snapshot, sqlite::Database::Mode::kReadOnly));
    Seen seen;
    GEMEL_TRY_LET(seen.checkpoint_, store::CheckpointOf(database));
    // The order matters: a twin that was deleted and made again has a row.
    GEMEL_TRY(seen.AddRows(
        database, "SELECT key_hash, lsn FROM gemel_deletions",
        [](const sqlite::Statement& row) { return static_cast<uint64_t>(row.integer(0)); }));
    for (const twin::ModelEntry& entry : world.models) {
      const std::string& model = entry.model->name();
      GEMEL_TRY_LET(auto known, database.Prepare("SELECT 1 FROM gemel_tables WHERE name = ?1"));
      known.Bind(1, std::string_view(model));
      GEMEL_TRY_LET(const bool is_known, known.Step());
      if (!is_known) continue;
      GEMEL_TRY(seen.AddRows(
          database, fmt::format("SELECT id, gemel_lsn FROM {}", sqlite::QuoteName(model)),
          [&](const sqlite::Statement& row) { return HashKey(model, row.text(0)); }));
    }
    return seen;
  }

  // A twin that is not there was not made by the checkpoint, or was deleted before it.
  bool Has(const journal::RecordView& record) const {
    const auto found = lsn_.find(record.key_hash());
    return record.lsn() <= (found == lsn_.end() ? checkpoint_ : found->second);
  }

 private:
  template <typename KeyOf>
  Status AddRows(sqlite::Database& database, const std::string& sql, const KeyOf& key_of) {
    GEMEL_TRY_LET(auto rows, database.Prepare(sql));
    while (true) {
      GEMEL_TRY_LET(const bool has_row, rows.Step());
      if (!has_row) return Status::Ok();
      lsn_[key_of(rows)] = static_cast<Lsn>(rows.integer(1));
    }
  }

  Lsn checkpoint_ = kNoLsn;
  std::unordered_map<uint64_t, Lsn> lsn_;  // by key
};

// The ids that differ and in what, by way of the files that a run leaves.
Status Explain(const std::vector<std::string>& saved, const std::vector<std::string>& folded,
               size_t examples_max, Checked& checked) {
  GEMEL_TRY_LET(const Scratch scratch, Scratch::Make());
  GEMEL_TRY(WriteRun(scratch.path() / "saved", saved, {}));
  GEMEL_TRY(WriteRun(scratch.path() / "folded", folded, {}));
  GEMEL_TRY_LET(Difference difference,
                Compare(scratch.path() / "saved", scratch.path() / "folded", examples_max));
  const Compared& twins = difference.twins;
  checked.differing = twins.changed + twins.only_first + twins.only_second;
  checked.examples = std::move(difference.examples);
  if (checked.differing == 0) {
    // Not in what `diff` looks at, but in when something was applied.
    checked.differing = 1;
    checked.examples = {"the twins differ in when records were applied to them"};
  }
  return Status::Ok();
}

}  // namespace

Result<Checked> CheckAgainst(const std::filesystem::path& snapshot,
                             const std::filesystem::path& base,
                             const std::filesystem::path& journal, const twin::World& world,
                             uint32_t shards, size_t examples_max) {
  GEMEL_TRY_LET(const Seen seen, Seen::Read(snapshot, world));
  Fold fold(world, shards);
  GEMEL_TRY(fold.Run({.base = base,
                      .journal = journal,
                      .wants = [&](const journal::RecordView& record) { return seen.Has(record); }})
                .status());
  Fold saved(world, shards);
  GEMEL_TRY(saved.RunBase(snapshot));
  const std::vector<std::string> expected = saved.TwinLines();
  const std::vector<std::string> folded = fold.TwinLines();
  Checked checked{.twins = expected.size()};
  if (expected != folded) GEMEL_TRY(Explain(expected, folded, examples_max, checked));
  return checked;
}

}  // namespace gemel::playback
