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

CheckedRow::CheckedRow(const sqlite::Statement& statement, std::string_view table)
    : statement_(statement), table_(table), values_(static_cast<size_t>(statement.columns())) {
  const bool is_numbered = name(0) == "gemel_row" || name(0) == "position";
  first_column_ = is_numbered ? 1 : 0;
}

Status CheckedRow::Take() {
  BeginBytes(table_, bytes_);
  const int last = columns() - 1;
  for (int column = 0; column <= last; ++column) {
    Read(column);
    if (column < first_column_ || column == last) continue;
    const Value& value = At(column);
    switch (value.type) {
      case Type::kNull:
        AppendNull(bytes_);
        break;
      case Type::kInteger:
        AppendNumber(value.type, value.integer, bytes_);
        break;
      case Type::kReal:
        AppendNumber(value.type, value.real, bytes_);
        break;
      default:
        AppendSized(value.type, value.bytes, bytes_);
    }
  }
  // Where the table's text is damaged the number may be no key any more, and read as null.
  const bool is_numbered = first_column_ == 0 || type(0) == Type::kInteger;
  if (is_numbered && checksum() == Crc32c(0, bytes_)) return Status::Ok();
  return Damaged(fmt::format("table {}: the row {} is not what was written", table_,
                             Quote(statement_.text(first_column_))));
}

// Each column is asked for once: SQLite's answers cost more than what is done with them.
void CheckedRow::Read(int column) {
  Value& value = values_[static_cast<size_t>(column)];
  value = {.type = statement_.type(column), .bytes = {}};
  switch (value.type) {
    case Type::kNull:
      break;
    case Type::kInteger:
      value.integer = statement_.integer(column);
      break;
    case Type::kReal:
      value.real = statement_.real(column);
      break;
    case Type::kText:
      value.bytes = BytesOf(statement_.text(column));
      break;
    case Type::kBlob:
      value.bytes = statement_.blob(column);
      break;
  }
}

int64_t CheckedRow::integer(int column) const { return At(column).integer; }

double CheckedRow::real(int column) const {
  const Value& value = At(column);
  return value.type == Type::kInteger ? static_cast<double>(value.integer) : value.real;
}

std::string_view CheckedRow::text(int column) const {
  const std::span<const std::byte> bytes = At(column).bytes;
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> CheckedRow::blob(int column) const { return At(column).bytes; }

Result<Sum> ReadRows(sqlite::Database& database, std::string_view table,
                     const std::function<Status(const CheckedRow& row)>& visit) {
  GEMEL_TRY_LET(
      sqlite::Statement select,
      database.Prepare(fmt::format("SELECT * FROM {} ORDER BY 1", sqlite::QuoteName(table))));
  CheckedRow row(select, table);
  Sum sum;
  while (true) {
    GEMEL_TRY_LET(const bool has_row, select.Step());
    if (!has_row) return sum;
    GEMEL_TRY(row.Take());
    GEMEL_TRY(visit(row));
    ++sum.rows;
    sum.checksums += row.checksum();
  }
}

Status CheckSum(std::string_view table, const Sum& written, const Sum& found) {
  if (found == written) return Status::Ok();
  return Damaged(fmt::format("table {}: {} rows were written and {} are there, or not the same",
                             table, written.rows, found.rows));
}

}  // namespace gemel::store
