#include "gateway/store/verify.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/journal/frame.h"
#include "gateway/journal/reader.h"
#include "gateway/sqlite/database.h"
#include "gateway/store/row.h"

namespace gemel::store {
namespace {

Result<std::map<std::string, Sum>> ReadSums(sqlite::Database& database) {
  std::map<std::string, Sum> sums;
  GEMEL_TRY(ReadRows(database, "gemel_tables", [&](const CheckedRow& row) {
              sums[std::string(row.text(0))] = {row.integer(2), row.integer(3)};
              return Status::Ok();
            }).status());
  return sums;
}

Status CheckBySqlite(sqlite::Database& database) {
  GEMEL_TRY_LET(sqlite::Statement check, database.Prepare("PRAGMA integrity_check(1)"));
  GEMEL_TRY_LET(const bool has_row, check.Step());
  const std::string said(has_row ? check.text(0) : "nothing");
  if (said != "ok") return Damaged("SQLite says: " + Quote(said));
  return Status::Ok();
}

// Takes in what a row says of the journal.
void NoteLsns(std::string_view table, const CheckedRow& row, VerifiedDatabase& verified) {
  if (table == "gemel_checkpoints") {
    const auto lsn = static_cast<Lsn>(row.integer(1));
    verified.checkpoint = verified.checkpoint == kNoLsn ? lsn : std::min(verified.checkpoint, lsn);
  }
  for (int column = 0; column < row.columns(); ++column) {
    const bool is_seen = row.name(column) == "gemel_lsn" ||
                         (table == "gemel_deletions" && row.name(column) == "lsn");
    if (is_seen) verified.newest = std::max(verified.newest, static_cast<Lsn>(row.integer(column)));
  }
}

Result<VerifiedDatabase> VerifyTables(sqlite::Database& database) {
  GEMEL_TRY(database.Run("BEGIN"));
  GEMEL_TRY(CheckBySqlite(database));
  GEMEL_TRY_LET(auto sums, ReadSums(database));
  GEMEL_TRY_LET(sqlite::Statement tables,
                database.Prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> "
                                 "'gemel_tables' ORDER BY name"));
  VerifiedDatabase verified;
  while (true) {
    GEMEL_TRY_LET(const bool has_table, tables.Step());
    if (!has_table) break;
    const std::string name(tables.text(0));
    GEMEL_TRY_LET(const Sum sum, ReadRows(database, name, [&](const CheckedRow& row) {
                    NoteLsns(name, row, verified);
                    return Status::Ok();
                  }));
    const auto expected = sums.extract(name);
    GEMEL_TRY(CheckSum(name, expected.empty() ? Sum{} : expected.mapped(), sum));
    ++verified.tables;
    verified.rows += static_cast<uint64_t>(sum.rows);
  }
  if (!sums.empty()) return Damaged(fmt::format("table {} is missing", sums.begin()->first));
  return verified;
}

Status CheckEntries(const journal::Frame& frame, VerifiedJournal& verified) {
  journal::EntryReader entries(frame.body);
  while (const std::optional<journal::Entry> entry = entries.Next()) {
    if (entry->kind != journal::EntryKind::kRecord) continue;
    if (!journal::IsRecord(entry->content)) return Damaged("it holds what is no record");
    ++verified.records;
  }
  return entries.is_at_end() ? Status::Ok() : Damaged("it holds what does not end");
}

}  // namespace

Result<VerifiedDatabase> VerifyDatabase(const std::filesystem::path& path) {
  Result<sqlite::Database> database =
      sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly);
  if (!database.ok() && database.status().code() == Code::kNotFound)
    return VerifiedDatabase{.is_there = false};
  if (!database.ok()) return std::move(database).status();
  Result<VerifiedDatabase> verified = VerifyTables(*database);
  if (!verified.ok() && verified.status().code() == Code::kDamaged)
    return Damaged(fmt::format("{}: {}", path.string(), verified.status().message()));
  return verified;
}

Result<VerifiedJournal> VerifyJournal(const std::filesystem::path& folder) {
  GEMEL_TRY_LET(const auto segments, journal::FindSegments(folder));
  VerifiedJournal verified{.segments = segments.size()};
  GEMEL_TRY_LET(journal::JournalReader reader, journal::JournalReader::Open(folder));
  while (true) {
    GEMEL_TRY_LET(const std::optional<journal::Frame> frame, reader.Next());
    if (!frame) break;
    ++verified.frames;
    if (Status status = CheckEntries(*frame, verified); !status.ok()) {
      return Damaged(fmt::format("{}: the frame {:x}: {}", reader.path().string(), frame->first,
                                 status.message()));
    }
  }
  verified.torn_bytes = reader.torn_bytes();
  verified.lost_segments = reader.lost_segments().size();
  return verified;
}

}  // namespace gemel::store
