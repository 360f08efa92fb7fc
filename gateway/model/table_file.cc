#include "gateway/model/table_file.h"

#include <limits>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "gateway/codec/rows.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::model {
namespace {

constexpr size_t kTextBytesMax = std::numeric_limits<uint32_t>::max();

}  // namespace

Result<std::unique_ptr<const TableFile>> TableFile::Load(const std::filesystem::path& path,
                                                         std::string name) {
  GEMEL_TRY_LET(codec::RowReader rows, codec::RowReader::Open(path));
  std::unique_ptr<TableFile> table(new TableFile(std::move(name)));
  for (;;) {
    GEMEL_TRY_LET(const bool has_row, rows.Next());
    if (!has_row) break;
    for (const std::string_view cell : rows.cells()) {
      if (!table->AddCell(cell))
        return rows.Wrong(fmt::format("more than {} bytes or cells", kTextBytesMax));
    }
    table->first_cells_.push_back(static_cast<uint32_t>(table->cell_ends_.size()));
  }
  table->columns_ = rows.columns();
  table->text_.shrink_to_fit();
  table->cell_ends_.shrink_to_fit();
  table->first_cells_.shrink_to_fit();
  table->FillView();
  return std::unique_ptr<const TableFile>(std::move(table));
}

bool TableFile::AddCell(std::string_view cell) {
  if (text_.size() + cell.size() > kTextBytesMax || cell_ends_.size() == kTextBytesMax) {
    return false;
  }
  text_ += cell;
  cell_ends_.push_back(static_cast<uint32_t>(text_.size()));
  return true;
}

std::string_view TableFile::cell(size_t row, size_t column) const {
  if (row >= rows()) return {};
  const size_t first = first_cells_[row];
  // Early rows of JSON lines end before columns that came later.
  if (column >= first_cells_[row + 1] - first) return {};
  const uint32_t begin = cell_ends_[first + column - 1];
  return std::string_view(text_).substr(begin, cell_ends_[first + column] - begin);
}

gemel_text TableFile::Cell(const gemel_table* table, size_t row, size_t column) {
  static_assert(std::is_standard_layout_v<View>);
  return ToText(reinterpret_cast<const View*>(table)->owner->cell(row, column));
}

void TableFile::FillView() {
  for (const std::string& column : columns_) column_texts_.push_back(ToText(column));
  view_ = {.table = {.name = ToText(name_),
                     .columns = column_texts_.data(),
                     .columns_count = column_texts_.size(),
                     .rows_count = rows(),
                     .cell = Cell},
           .owner = this};
}

}  // namespace gemel::model
