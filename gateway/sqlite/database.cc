#include "gateway/sqlite/database.h"

#include <sqlite3.h>

#include <utility>

#include <fmt/format.h>

namespace gemel::sqlite {
namespace {

// How long a writer waits for a reader's shell that checkpoints, in milliseconds.
constexpr int kBusyPatienceMs = 5'000;

Status Failed(sqlite3* database, int code, const std::string& path) {
  std::string message = fmt::format("{}: {}", path, sqlite3_errmsg(database));
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return {Code::kFull, std::move(message)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Damaged(std::move(message));
    default:
      return Unavailable(std::move(message));
  }
}

Status Failed(sqlite3_stmt* statement, int code) {
  sqlite3* const database = sqlite3_db_handle(statement);
  const char* const path = sqlite3_db_filename(database, "main");
  return Failed(database, code, path == nullptr ? "" : path);
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

void Statement::BindNull(int parameter) { sqlite3_bind_null(statement_.get(), parameter); }

void Statement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter, value);
}

void Statement::Bind(int parameter, double value) {
  sqlite3_bind_double(statement_.get(), parameter, value);
}

void Statement::Bind(int parameter, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), parameter, text.data() == nullptr ? "" : text.data(),
                      text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void Statement::BindBlob(int parameter, std::span<const std::byte> bytes) {
  // A null pointer would bind NULL.
  static constexpr char kNothing = 0;
  const void* const from = bytes.empty() ? static_cast<const void*>(&kNothing) : bytes.data();
  sqlite3_bind_blob64(statement_.get(), parameter, from, bytes.size(), SQLITE_STATIC);
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  Status status = code == SQLITE_DONE ? Status::Ok() : Failed(statement_.get(), code);
  sqlite3_reset(statement_.get());
  if (!status.ok()) return status;
  return false;
}

Status Statement::Run() {
  while (true) {
    GEMEL_TRY_LET(const bool has_row, Step());
    if (!has_row) return Status::Ok();
  }
}

void Statement::Reset() { sqlite3_reset(statement_.get()); }

int Statement::columns() const { return sqlite3_column_count(statement_.get()); }

std::string_view Statement::name(int column) const {
  const char* const name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? "" : name;
}

Type Statement::type(int column) const {
  switch (sqlite3_column_type(statement_.get(), column)) {
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_FLOAT:
      return Type::kReal;
    case SQLITE_TEXT:
      return Type::kText;
    case SQLITE_BLOB:
      return Type::kBlob;
    default:
      return Type::kNull;
  }
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string_view Statement::text(int column) const {
  const auto* const text =
      reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* const bytes =
      static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::Open(const std::filesystem::path& path, Mode mode) {
  std::error_code error;
  if (mode == Mode::kReadOnly && !std::filesystem::exists(path, error))
    return NotFound(fmt::format("{}: there is no such file", path.string()));
  const int flags =
      mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &opened,
                                   flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(opened, path);
  if (code != SQLITE_OK) return Failed(opened, code, path.string());
  sqlite3_busy_timeout(opened, kBusyPatienceMs);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

Status Database::Run(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status::Ok() : Failed(database_.get(), code, path_.string());
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK) return Failed(database_.get(), code, path_.string());
  return Statement(prepared);
}

Result<int64_t> Database::Integer(std::string_view sql) {
  GEMEL_TRY_LET(Statement statement, Prepare(sql));
  GEMEL_TRY_LET(const bool has_row, statement.Step());
  if (!has_row) return NotFound(fmt::format("{}: no row", path_.string()));
  return statement.integer(0);
}

Status Database::CopyTo(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error))
    return Unavailable(fmt::format("{}: it is there already", path.string()));
  GEMEL_TRY_LET(Database copy, Open(path, Mode::kReadWrite));
  sqlite3_backup* const backup =
      sqlite3_backup_init(copy.database_.get(), "main", database_.get(), "main");
  if (backup == nullptr)
    return Failed(copy.database_.get(), sqlite3_errcode(copy.database_.get()), path.string());
  // In one step, which is one transaction: in several, each change would begin it anew.
  sqlite3_backup_step(backup, -1);
  const int code = sqlite3_backup_finish(backup);
  if (code != SQLITE_OK) return Failed(copy.database_.get(), code, path.string());
  // So that it is one file, also for who may not write beside it.
  return copy.Run("PRAGMA journal_mode = DELETE");
}

std::string QuoteName(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

}  // namespace gemel::sqlite
