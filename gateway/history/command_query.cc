#include "gateway/history/command_query.h"

#include <string_view>

#include "gateway/sqlite/database.h"

namespace gemel::history {
namespace {

// The last row of each command, which a replay may have written before others. One text for each
// way to filter, so that each is answered from an index.
std::string SelectFor(const CommandQuery& query) {
  std::string select = "SELECT command FROM command_changes AS one WHERE ";
  if (!query.id.empty()) {
    select +=
        "id = ?1 AND +model = coalesce(nullif(?2, ''), model) AND "
        "+twin = coalesce(nullif(?3, ''), twin) AND ";
  } else if (!query.twin.empty()) {
    select += "?1 = '' AND model = ?2 AND twin = ?3 AND ";
  } else {
    select += "?1 = '' AND (?2 = '' OR model = ?2) AND ?3 = '' AND ";
  }
  return select +
         "(?4 = '' OR status = ?4) AND time_ms >= ?5 AND NOT EXISTS (SELECT 1 FROM command_changes "
         "AS later WHERE later.id = one.id AND (later.lsn, later.ordinal) > (one.lsn, "
         "one.ordinal)) ORDER BY position DESC LIMIT ?6";
}

}  // namespace

Result<std::string> ReadCommands(const std::filesystem::path& path, const CommandQuery& query) {
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(sqlite::Statement select, database.Prepare(SelectFor(query)));
  select.Bind(1, std::string_view(query.id));
  select.Bind(2, std::string_view(query.model));
  select.Bind(3, std::string_view(query.twin));
  select.Bind(4, std::string_view(query.status));
  select.Bind(5, query.from_ms.value_or(INT64_MIN));
  select.Bind(6, static_cast<int64_t>(query.limit));
  std::string out = "[";
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    if (out.size() > 1 && out.size() + select.text(0).size() > query.bytes_max) break;
    out += out.size() == 1 ? "\n" : ",\n";
    out += select.text(0);
  }
  return out + "]\n";
}

}  // namespace gemel::history
