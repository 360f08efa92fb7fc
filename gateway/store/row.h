#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sqlite/database.h"

namespace gemel::store {

// SQLite notices little of what happens to a file, so the last column of each row of ours is a
// checksum (CRC-32C) of the table's name and the row's other values.

// Binds the values of a row, one parameter after the other. One thread; used again for each row.
class RowWriter {
 public:
  void Begin(sqlite::Statement& statement, std::string_view table);
  void AddNull();
  void Add(int64_t value);
  void Add(double value);  // NaN is null
  void Add(std::string_view text);
  void AddBlob(std::span<const std::byte> bytes);
  // Binds the checksum, which it returns.
  uint32_t Finish();
  // Parameters bound so far.
  int parameters() const { return parameter_ - 1; }

 private:
  sqlite::Statement* statement_ = nullptr;
  int parameter_ = 1;
  std::vector<std::byte> bytes_;  // what the checksum is of
};

// How many rows a table has, and the sum of their checksums: a row that is missing shows here only.
struct Sum {
  int64_t rows = 0;
  int64_t checksums = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};

// A row of "SELECT *" that is what was written. Used again for each row; texts and blobs live until
// the statement's next step.
class CheckedRow {
 public:
  // Statement and table outlive it.
  CheckedRow(const sqlite::Statement& statement, std::string_view table);
  // Takes the row that the statement has stepped to. Damaged, naming table and row, if its last
  // column is not its checksum. A table's number for a row (gemel_row, position) is not part of it.
  Status Take();

  int columns() const { return static_cast<int>(values_.size()); }
  std::string_view name(int column) const { return statement_.name(column); }
  // Nothing is converted but an integer that is asked for as real: of another type it is 0 or
  // empty.
  sqlite::Type type(int column) const { return At(column).type; }
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::span<const std::byte> blob(int column) const;
  int64_t checksum() const { return integer(columns() - 1); }

 private:
  struct Value {
    sqlite::Type type = sqlite::Type::kNull;
    int64_t integer = 0;
    double real = 0;
    std::span<const std::byte> bytes;
  };
  const Value& At(int column) const { return values_[static_cast<size_t>(column)]; }
  void Read(int column);

  const sqlite::Statement& statement_;
  const std::string_view table_;
  int first_column_;  // of those that the checksum is of
  std::vector<Value> values_;
  std::vector<std::byte> bytes_;  // what the checksum is of
};

// Calls visit(row) for each row of a table, in the order of its first column. Damaged as
// CheckedRow::Take, or what `visit` returns.
Result<Sum> ReadRows(sqlite::Database& database, std::string_view table,
                     const std::function<Status(const CheckedRow& row)>& visit);
// Damaged, naming the table, if it does not hold what was written.
Status CheckSum(std::string_view table, const Sum& written, const Sum& found);

}  // namespace gemel::store
