#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"

namespace gemel::codec {

// Rows of a CSV file with a header, or of JSON lines (told by the first byte, a brace), plain or
// gzip, as text cells under column names: context data that people keep in either form. One thread.
//
// A JSON text is a cell without its quotes, a number or a boolean is its JSON text, null is empty,
// an object or array is JSON. Blank lines are skipped.
class RowReader {
 public:
  // As CsvReader::Open and LineReader::Open.
  static Result<RowReader> Open(const std::filesystem::path& path);
  RowReader(RowReader&&) noexcept;
  RowReader& operator=(RowReader&&) noexcept;
  ~RowReader();

  // Those known so far, in the order of their first appearance: JSON lines may add some with any
  // row.
  const std::vector<std::string>& columns() const;
  // False at the end. Invalid with file and line for a row that can't be read.
  Result<bool> Next();
  // Of the row that Next found, one a column known so far; they live until the next call.
  std::span<const std::string_view> cells() const;
  // The line where that row begins, from 1.
  size_t line() const;
  // Invalid: "FILE:LINE: message".
  Status Wrong(std::string_view message) const;

 private:
  class Rows;
  class CsvRows;
  class JsonRows;
  explicit RowReader(std::unique_ptr<Rows> rows);
  std::unique_ptr<Rows> rows_;
};

}  // namespace gemel::codec
