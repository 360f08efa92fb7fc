#include "gateway/history/alert_query.h"

#include <string_view>

#include "gateway/base/json_text.h"
#include "gateway/sqlite/database.h"

namespace gemel::history {
namespace {

// One statement for every filter: an empty one is true of each row.
constexpr const char* kOfTwin =
    "SELECT change, alert FROM alert_changes WHERE model = ?1 AND (?2 = '' OR twin = ?2) AND "
    "(?3 = '' OR id = ?3) AND time_ms >= ?4 ORDER BY position DESC LIMIT ?5";
constexpr const char* kOfAny =
    "SELECT change, alert FROM alert_changes WHERE ?1 = '' AND ?2 = '' AND (?3 = '' OR id = ?3) "
    "AND time_ms >= ?4 ORDER BY position DESC LIMIT ?5";

}  // namespace

Result<std::string> ReadAlertChanges(const std::filesystem::path& path, const AlertQuery& query) {
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(sqlite::Statement select, database.Prepare(query.model.empty() ? kOfAny : kOfTwin));
  select.Bind(1, std::string_view(query.model));
  select.Bind(2, std::string_view(query.twin));
  select.Bind(3, std::string_view(query.id));
  select.Bind(4, query.from_ms.value_or(INT64_MIN));
  select.Bind(5, static_cast<int64_t>(query.limit));
  std::string out = "[";
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    out += out.size() == 1 ? "\n{\"change\":" : ",\n{\"change\":";
    AppendJsonText(select.text(0), out);
    out += ',';
    out += select.text(1).substr(1);  // behind its brace
  }
  return out + "]\n";
}

}  // namespace gemel::history
