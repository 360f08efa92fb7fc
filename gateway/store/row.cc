#include "gateway/store/row.h"

#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "gateway/base/crc32c.h"
#include "gateway/base/quote.h"

namespace gemel::store {
namespace {

using sqlite::Type;

// Each value as its type in a byte, then what it is.
void AppendNull(std::vector<std::byte>& to) { to.push_back(static_cast<std::byte>(Type::kNull)); }

template <typename Number>
void AppendNumber(Type type, Number number, std::vector<std::byte>& to) {
  static_assert(sizeof number == 8);
  std::array<std::byte, 1 + sizeof number> bytes{static_cast<std::byte>(type)};
  std::memcpy(&bytes[1], &number, sizeof number);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void AppendSized(Type type, std::span<const std::byte> bytes, std::vector<std::byte>& to) {
  AppendNumber(type, static_cast<uint64_t>(bytes.size()), to);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void BeginBytes(std::string_view table, std::vector<std::byte>& to) {
  to.clear();
  AppendSized(Type::kText, BytesOf(table), to);
}

// Of the columns from this one to the one before the last.
uint32_t ChecksumOf(const sqlite::Statement& row, std::string_view table, int first_column) {
  thread_local std::vector<std::byte> bytes;
  BeginBytes(table, bytes);
  for (int column = first_column; column < row.columns() - 1; ++column) {
    switch (row.type(column)) {
      case Type::kNull:
        AppendNull(bytes);
        break;
      case Type::kInteger:
        AppendNumber(Type::kInteger, row.integer(column), bytes);
        break;
      case Type::kReal:
        AppendNumber(Type::kReal, row.real(column), bytes);
        break;
      case Type::kText:
        AppendSized(Type::kText, BytesOf(row.text(column)), bytes);
        break;
      case Type::kBlob:
        AppendSized(Type::kBlob, row.blob(column), bytes);
        break;
    }
  }
  return Crc32c(0, bytes);
}

}  // namespace

void RowWriter::Begin(sqlite::Statement& statement, std::string_view table) {
  statement_ = &statement;
  parameter_ = 1;
  BeginBytes(table, bytes_);
}

void RowWriter::AddNull() {
  statement_->BindNull(parameter_++);
  AppendNull(bytes_);
}

void RowWriter::Add(int64_t value) {
  statement_->Bind(parameter_++, value);
  AppendNumber(Type::kInteger, value, bytes_);
}

void RowWriter::Add(double value) {
  if (std::isnan(value)) {
    AddNull();
    return;
  }
  // SQLite keeps whole numbers as integers, which know no negative zero.
  const double kept = value == 0 ? 0.0 : value;
  statement_->Bind(parameter_++, kept);
  AppendNumber(Type::kReal, kept, bytes_);
}

void RowWriter::Add(std::string_view text) {
  statement_->Bind(parameter_++, text);
  AppendSized(Type::kText, BytesOf(text), bytes_);
}

void RowWriter::AddBlob(std::span<const std::byte> bytes) {
  statement_->BindBlob(parameter_++, bytes);
  AppendSized(Type::kBlob, bytes, bytes_);
}

uint32_t RowWriter::Finish() {
  const uint32_t checksum = Crc32c(0, bytes_);
  statement_->Bind(parameter_++, static_cast<int64_t>(checksum));
  return checksum;
}

Status CheckRow(const sqlite::Statement& row, std::string_view table) {
  const int first_column = row.name(0) == "gemel_row" || row.name(0) == "position" ? 1 : 0;
  if (row.integer(row.columns() - 1) == ChecksumOf(row, table, first_column)) return Status::Ok();
  return Damaged(fmt::format("table {}: the row {} is not what was written", table,
                             Quote(row.text(first_column))));
}

Result<Sum> ReadRows(sqlite::Database& database, std::string_view table,
                     const std::function<Status(const sqlite::Statement& row)>& visit) {
  GEMEL_TRY_LET(
      sqlite::Statement select,
      database.Prepare(fmt::format("SELECT * FROM {} ORDER BY 1", sqlite::QuoteName(table))));
  Sum sum;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) return sum;
    GEMEL_TRY(CheckRow(select, table));
    GEMEL_TRY(visit(select));
    ++sum.rows;
    sum.checksums += select.integer(select.columns() - 1);
  }
}

Status CheckSum(std::string_view table, const Sum& written, const Sum& found) {
  if (found == written) return Status::Ok();
  return Damaged(fmt::format("table {}: {} rows were written and {} are there, or not the same",
                             table, written.rows, found.rows));
}

}  // namespace gemel::store
