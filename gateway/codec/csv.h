#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/codec/lines.h"

namespace gemel::codec {

struct CsvOptions {
  // One ASCII character. A blank stands for any run of blanks, and those at the ends of a row don't
  // count: tables that were written for the eye.
  char separator = ',';
  // Names for a file without a header row. Empty: its first row has them.
  std::vector<std::string> columns;
};

// Rows of comma-separated text (RFC 4180), in UTF-8: cells in quotes may hold separators, line ends
// and doubled quotes; a row ends with LF or CR LF; blank lines and a byte order mark are skipped.
// One thread.
class CsvReader {
 public:
  // Reads the header. Invalid if there is none, or if it names a column twice or not at all.
  static Result<CsvReader> Open(ByteWindow bytes, CsvOptions options = {});

  const std::vector<std::string>& columns() const { return columns_; }

  // False at the end. Invalid with file and line for a row that has not one cell a column, is
  // longer than kRowBytesMax, no UTF-8, or has a quote where none may be; else as ByteWindow::Grow.
  // After a failure the reader can't go on.
  Result<bool> Next();

  // Of the row that Next found, one a column; they live until the next call.
  std::span<const std::string_view> cells() const { return cells_; }
  // The line where that row begins, from 1.
  size_t line() const { return line_; }
  // Invalid: "FILE:LINE: message".
  Status Wrong(std::string_view message) const;

 private:
  struct Cell {
    size_t begin;
    size_t end;
    bool is_quoted;
    bool has_doubled_quotes;
  };
  enum class Scan { kRow, kMore };

  CsvReader(ByteWindow bytes, char separator) : bytes_(std::move(bytes)), separator_(separator) {}
  Status ReadHeader();
  Result<bool> NextRow();
  Result<Scan> ScanRow(bool is_all);
  Result<Scan> ScanCell(size_t& at, bool is_all);
  bool IsRowEnd(size_t at) const;
  void SkipBlanks(size_t& at) const;
  Status TakeCells();

  ByteWindow bytes_;
  char separator_;
  std::vector<std::string> columns_;
  std::vector<Cell> found_;  // in the window, as filed
  std::vector<std::string_view> cells_;
  size_t row_bytes_ = 0;  // the row returned last and its end
  size_t next_line_ = 1;
  size_t line_ = 0;
};

}  // namespace gemel::codec
