#include "gateway/history/alert_query.h"

#include <string_view>

#include "gateway/base/json_text.h"
#include "gateway/sqlite/database.h"

namespace gemel::history {
namespace {

// A statement for each filter, so that each reads little more than it shows: rows come out of an
// index in their order. A twin's are in the order of their writing, which is that of their time; an
// empty text is true of each row.
constexpr const char* kOfId =
    "SELECT change, alert FROM alert_changes WHERE id = ?1 AND (?2 = '' OR +model = ?2) AND "
    "(?3 = '' OR +twin = ?3) AND +time_ms >= ?4 ORDER BY position DESC LIMIT ?5";
constexpr const char* kOfTwin =
    "SELECT change, alert FROM alert_changes WHERE ?1 = '' AND model = ?2 AND twin = ?3 AND "
    "+time_ms >= ?4 ORDER BY position DESC LIMIT ?5";
constexpr const char* kOfModel =
    "SELECT change, alert FROM alert_changes WHERE ?1 = '' AND model = ?2 AND ?3 = '' AND "
    "time_ms >= ?4 ORDER BY time_ms DESC, position DESC LIMIT ?5";
constexpr const char* kOfAny =
    "SELECT change, alert FROM alert_changes WHERE ?1 = '' AND ?2 = '' AND ?3 = '' AND "
    "time_ms >= ?4 ORDER BY time_ms DESC, position DESC LIMIT ?5";

const char* SelectFor(const AlertQuery& query) {
  if (!query.id.empty()) return kOfId;
  if (!query.twin.empty()) return kOfTwin;
  return query.model.empty() ? kOfAny : kOfModel;
}

}  // namespace

Result<std::string> ReadAlertChanges(const std::filesystem::path& path, const AlertQuery& query) {
  GEMEL_TRY_LET(sqlite::Database database,
                sqlite::Database::Open(path, sqlite::Database::Mode::kReadOnly));
  GEMEL_TRY_LET(sqlite::Statement select, database.Prepare(SelectFor(query)));
  select.Bind(1, std::string_view(query.id));
  select.Bind(2, std::string_view(query.model));
  select.Bind(3, std::string_view(query.twin));
  select.Bind(4, query.from_ms.value_or(INT64_MIN));
  select.Bind(5, static_cast<int64_t>(query.limit));
  std::string out = "[";
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) break;
    const size_t bytes = select.text(0).size() + select.text(1).size();
    if (out.size() > 1 && out.size() + bytes > query.bytes_max) break;
    out += out.size() == 1 ? "\n{\"change\":" : ",\n{\"change\":";
    AppendJsonText(select.text(0), out);
    out += ',';
    out += select.text(1).substr(1);  // behind its brace
  }
  return out + "]\n";
}

}  // namespace gemel::history
