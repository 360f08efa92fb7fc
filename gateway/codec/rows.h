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

// Rows of context data that people keep in several forms, as text cells under column names: CSV
// with a header, JSON lines, or a GeoJSON FeatureCollection, plain or gzip, told by content. One
// thread.
//
// A JSON text is a cell without its quotes, a number or a boolean is its JSON text, null is empty,
// an object or array is JSON. Blank lines are skipped. The columns of a FeatureCollection are the
// names of its properties, then `geometry` and `geometry_type`.
class RowReader {
 public:
  // NotFound, Unavailable or Damaged for a file that can't be read; Invalid if it is none of these.
  // A FeatureCollection is read as a whole, at most 4 GiB.
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
  // Invalid: "FILE:LINE: message", with the line where the row begins; a feature has none, but a
  // number from 0.
  Status Wrong(std::string_view message) const;

 private:
  class Rows;
  class CsvRows;
  class JsonRows;
  class FeatureRows;
  explicit RowReader(std::unique_ptr<Rows> rows);
  std::unique_ptr<Rows> rows_;
};

}  // namespace gemel::codec
