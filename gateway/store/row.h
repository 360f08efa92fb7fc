#pragma once

#include <cstddef>
#include <cstdint>
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

// The checksum of a row as it was read, from a column to the one before the last.
uint32_t ChecksumOf(const sqlite::Statement& row, std::string_view table, int first_column);
// Damaged, naming table and row, if the last column is not that.
Status CheckRow(const sqlite::Statement& row, std::string_view table, int first_column);

}  // namespace gemel::store
