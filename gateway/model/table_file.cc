#include "gateway/model/table_file.h"

#include <simdjson.h>

#include <limits>
#include <map>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/codec/lines.h"
#include "gateway/codec/rows.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::model {
namespace {

using simdjson::dom::element;

constexpr size_t kTextBytesMax = std::numeric_limits<uint32_t>::max();
constexpr std::string_view kGeometry = "geometry";
constexpr std::string_view kGeometryType = "geometry_type";

bool IsFeatureCollection(element document) {
  std::string_view type;
  return document["type"].get(type) == simdjson::SUCCESS && type == "FeatureCollection";
}

Result<std::string> ReadAll(const std::filesystem::path& path) {
  GEMEL_TRY_LET(codec::ByteWindow bytes, codec::ByteWindow::Open(path));
  GEMEL_TRY(codec::SkipByteOrderMark(bytes));
  std::string text;
  for (;;) {
    text += bytes.view();
    bytes.Consume(bytes.view().size());
    if (text.size() > kTextBytesMax)
      return Invalid(fmt::format("{}: more than {} bytes", path.string(), kTextBytesMax));
    GEMEL_TRY_LET(const bool has_more, bytes.Grow());
    if (!has_more) return text;
  }
}

// Whether the file, which begins with a brace, is one document rather than one a line.
Result<bool> IsOneDocument(const std::filesystem::path& path) {
  GEMEL_TRY_LET(codec::LineReader lines, codec::LineReader::Open(path));
  simdjson::dom::parser parser;
  for (;;) {
    const auto line = lines.Next();
    if (!line.ok() && line.status().code() == Code::kInvalid) return true;  // longer than a row
    if (!line.ok()) return Status(line.status().code(), line.status().message());
    if (!line->has_value()) return true;
    if ((*line)->find_first_not_of(" \t") == std::string_view::npos) continue;
    element document;
    const auto error = parser.parse((*line)->data(), (*line)->size()).get(document);
    return error != simdjson::SUCCESS || IsFeatureCollection(document);
  }
}

std::string_view TextOf(element value, std::string& scratch) {
  std::string_view text;
  if (value.is_null() || value.get(text) == simdjson::SUCCESS) return text;
  return scratch = simdjson::minify(value);
}

}  // namespace

class TableFile::Builder {
 public:
  Builder(const std::filesystem::path& path, std::string name)
      : path_(path), table_(new TableFile(std::move(name))) {}

  Status ReadRows() {
    GEMEL_TRY_LET(codec::RowReader rows, codec::RowReader::Open(path_));
    for (;;) {
      GEMEL_TRY_LET(const bool has_row, rows.Next());
      if (!has_row) break;
      for (const std::string_view cell : rows.cells()) GEMEL_TRY(AddCell(cell));
      EndRow();
    }
    table_->columns_ = rows.columns();
    return Status::Ok();
  }

  Status ReadFeatures() {
    GEMEL_TRY_LET(const std::string text, ReadAll(path_));
    simdjson::dom::parser parser;
    element document;
    const auto error = parser.parse(text).get(document);
    if (error != simdjson::SUCCESS || !IsFeatureCollection(document)) {
      const std::string why = error != simdjson::SUCCESS
                                  ? fmt::format(": {}", simdjson::error_message(error))
                                  : std::string();
      return Wrong("neither JSON lines nor a GeoJSON FeatureCollection" + why);
    }
    simdjson::dom::array features;
    if (document["features"].get(features) != simdjson::SUCCESS)
      return Wrong("the FeatureCollection has no array \"features\"");
    GEMEL_TRY(CollectColumns(features));
    for (const element feature : features) GEMEL_TRY(AddFeature(feature));
    return Status::Ok();
  }

  std::unique_ptr<const TableFile> Done() {
    table_->text_.shrink_to_fit();
    table_->cell_ends_.shrink_to_fit();
    table_->first_cells_.shrink_to_fit();
    table_->FillView();
    return std::move(table_);
  }

 private:
  Status Wrong(std::string_view message) const {
    return Invalid(fmt::format("{}: {}", path_.string(), message));
  }

  Status CollectColumns(simdjson::dom::array features) {
    size_t index = 0;
    for (const element feature : features) {
      simdjson::dom::object properties;
      const auto error = feature["properties"].get(properties);
      const bool has_none = error != simdjson::SUCCESS && feature["properties"].is_null();
      if (error != simdjson::SUCCESS && !has_none)
        return Wrong(fmt::format("feature {} has no object \"properties\"", index));
      if (!has_none) {
        for (const auto& [name, value] : properties) AddColumn(name);
      }
      ++index;
    }
    for (const std::string_view name : {kGeometry, kGeometryType}) {
      if (numbers_.contains(name))
        return Wrong(fmt::format("a property is called {}, the name of another column", name));
      AddColumn(name);
    }
    return Status::Ok();
  }

  void AddColumn(std::string_view name) {
    if (numbers_.contains(name)) return;
    numbers_.emplace(name, table_->columns_.size());
    table_->columns_.emplace_back(name);
  }

  Status AddFeature(element feature) {
    std::vector<std::string> scratch(numbers_.size());
    std::vector<std::string_view> cells(numbers_.size());
    simdjson::dom::object properties;
    if (feature["properties"].get(properties) == simdjson::SUCCESS) {
      for (const auto& [name, value] : properties) {
        const size_t column = numbers_.find(name)->second;
        cells[column] = TextOf(value, scratch[column]);
      }
    }
    simdjson::dom::object geometry;
    if (feature["geometry"].get(geometry) == simdjson::SUCCESS) {
      cells[cells.size() - 2] = scratch[cells.size() - 2] = simdjson::minify(geometry);
      std::string_view type;
      if (geometry["type"].get(type) == simdjson::SUCCESS) cells.back() = type;
    }
    for (const std::string_view cell : cells) GEMEL_TRY(AddCell(cell));
    EndRow();
    return Status::Ok();
  }

  Status AddCell(std::string_view cell) {
    TableFile& table = *table_;
    if (table.text_.size() + cell.size() > kTextBytesMax ||
        table.cell_ends_.size() == kTextBytesMax)
      return Wrong(fmt::format("a table of more than {} bytes or cells", kTextBytesMax));
    table.text_ += cell;
    table.cell_ends_.push_back(static_cast<uint32_t>(table.text_.size()));
    return Status::Ok();
  }
  void EndRow() {
    table_->first_cells_.push_back(static_cast<uint32_t>(table_->cell_ends_.size()));
  }

  const std::filesystem::path path_;
  std::unique_ptr<TableFile> table_;
  std::map<std::string, size_t, std::less<>> numbers_;  // of columns
};

Result<std::unique_ptr<const TableFile>> TableFile::Load(const std::filesystem::path& path,
                                                         std::string name) {
  Builder builder(path, std::move(name));
  GEMEL_TRY_LET(const std::optional<char> first, codec::FirstByte(path));
  bool is_one_document = false;
  if (first == '{') {
    GEMEL_TRY_LET(is_one_document, IsOneDocument(path));
  }
  GEMEL_TRY(is_one_document ? builder.ReadFeatures() : builder.ReadRows());
  return builder.Done();
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
