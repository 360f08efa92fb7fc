#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sdk/model.h"

namespace gemel::model {

// A read-only table for models, "tables": {"timetable": "schedule.csv.gz"}: a timetable, a list of
// stops, areas on a map. All cells are text in one block of memory, 4 bytes a cell on top.
// Immutable once loaded, so safe from any thread.
class TableFile {
 public:
  // CSV, JSON lines or a GeoJSON FeatureCollection, plain or gzip: see codec::RowReader for what
  // becomes of each, and for what fails. Also Invalid for more than 4 GiB of text.
  static Result<std::unique_ptr<const TableFile>> Load(const std::filesystem::path& path,
                                                       std::string name);
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  // As models see it; lives as long as this object.
  const gemel_table* view() const { return &view_.table; }

  const std::vector<std::string>& columns() const { return columns_; }
  size_t rows() const { return first_cells_.size() - 1; }
  // Empty also where the table ends.
  std::string_view cell(size_t row, size_t column) const;

 private:
  struct View {
    gemel_table table;  // first: the callback finds its owner behind it
    const TableFile* owner;
  };

  explicit TableFile(std::string name) : name_(std::move(name)) {}
  bool AddCell(std::string_view cell);  // false if there is no room
  static gemel_text Cell(const gemel_table* table, size_t row, size_t column);
  void FillView();

  const std::string name_;
  std::vector<std::string> columns_;
  std::string text_;                      // of all cells, one after the other
  std::vector<uint32_t> cell_ends_{0};    // in text_; cell i begins where i - 1 ends
  std::vector<uint32_t> first_cells_{1};  // a row's first in cell_ends_, and one past the last
  std::vector<gemel_text> column_texts_;
  View view_{};
};

}  // namespace gemel::model
