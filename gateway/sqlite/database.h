#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

struct sqlite3;
struct sqlite3_stmt;

// The only user of SQLite's interface: a connection and its prepared statements. Failures are
// Status, which names the file: Full where the disk is, Damaged where SQLite says that the file is,
// Unavailable otherwise.
namespace gemel::sqlite {

enum class Type : uint8_t { kNull, kInteger, kReal, kText, kBlob };

// A prepared statement. One thread at a time; lives no longer than its database.
class Statement {
 public:
  // Parameters count from 1. Texts and blobs must live until the next Step or Run.
  void BindNull(int parameter);
  void Bind(int parameter, int64_t value);
  void Bind(int parameter, double value);
  void Bind(int parameter, std::string_view text);
  void BindBlob(int parameter, std::span<const std::byte> bytes);

  // True: a row can be read. False: there is none any more, and the statement may run again.
  Result<bool> Step();
  // For a statement without rows.
  Status Run();
  // So that it may be bound and run again.
  void Reset();

  // Columns count from 0. Text and blob live until the next Step.
  int columns() const;
  std::string_view name(int column) const;
  Type type(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::span<const std::byte> blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection. One thread at a time.
class Database {
 public:
  enum class Mode : uint8_t {
    kReadWrite,  // made if missing
    kReadOnly,   // NotFound if missing
  };
  static Result<Database> Open(const std::filesystem::path& path, Mode mode);

  // Runs statements without parameters, forgetting rows.
  Status Run(const std::string& sql);
  Result<Statement> Prepare(std::string_view sql);
  // The first column of the first row; NotFound if there is no row.
  Result<int64_t> Integer(std::string_view sql);

  // Writes it, as it is at this moment, into a file that there is not yet. Others may read and
  // write it meanwhile.
  Status CopyTo(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Database(sqlite3* database, std::filesystem::path path)
      : database_(database), path_(std::move(path)) {}
  std::unique_ptr<sqlite3, Close> database_;
  std::filesystem::path path_;
};

// "text" as SQL names a table or column: quoted, quotes doubled.
std::string QuoteName(std::string_view text);

}  // namespace gemel::sqlite
