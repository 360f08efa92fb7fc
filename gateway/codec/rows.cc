#include "gateway/codec/rows.h"

#include <simdjson.h>

#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/codec/csv.h"
#include "gateway/codec/lines.h"

namespace gemel::codec {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kDocumentBytesMax = std::numeric_limits<uint32_t>::max();  // simdjson's
constexpr std::string_view kGeometry = "geometry";
constexpr std::string_view kGeometryType = "geometry_type";

bool IsFeatureCollection(element document) {
  std::string_view type;
  return document["type"].get(type) == simdjson::SUCCESS && type == "FeatureCollection";
}

// Whether the file, which begins with a brace, is one document rather than one a line.
Result<bool> IsOneDocument(const std::filesystem::path& path) {
  GEMEL_TRY_LET(LineReader lines, LineReader::Open(path));
  simdjson::dom::parser parser;
  for (;;) {
    auto line = lines.Next();
    if (!line.ok() && line.status().code() != Code::kInvalid) return std::move(line).status();
    if (!line.ok() || !line->has_value()) return true;  // longer than a row
    if ((*line)->find_first_not_of(" \t") == std::string_view::npos) continue;
    element document;
    const auto error = parser.parse((*line)->data(), (*line)->size()).get(document);
    return error != simdjson::SUCCESS || IsFeatureCollection(document);
  }
}

// Names of columns and the cells of one row, from JSON.
class JsonCells {
 public:
  const std::vector<std::string>& columns() const { return columns_; }
  std::span<const std::string_view> cells() const { return cells_; }

  // The next row; room for so many texts that are not the parser's.
  void Begin(size_t texts) {
    // A null pointer marks a column that the row has not set yet.
    cells_.assign(columns_.size(), std::string_view{});
    texts_.clear();
    texts_.reserve(texts);  // views into them must stay
  }

  // Rows tend to have the same members in the same order: `expected` is looked at first.
  size_t ColumnOf(std::string_view name, size_t expected = 0) {
    if (expected < columns_.size() && columns_[expected] == name) return expected;
    if (const auto known = numbers_.find(name); known != numbers_.end()) return known->second;
    numbers_.emplace(name, columns_.size());
    columns_.emplace_back(name);
    cells_.emplace_back();
    return columns_.size() - 1;
  }
  bool has_column(std::string_view name) const { return numbers_.contains(name); }

  // False if the row has set it before.
  bool Set(size_t column, element value) {
    if (cells_[column].data() != nullptr) return false;
    cells_[column] = TextOf(value);
    return true;
  }

 private:
  std::string_view TextOf(element value) {
    std::string_view text;
    if (value.is_null()) return "";
    if (value.get(text) == simdjson::SUCCESS) return text;
    return texts_.emplace_back(simdjson::minify(value));
  }

  std::vector<std::string> columns_;
  std::map<std::string, size_t, std::less<>> numbers_;
  std::vector<std::string_view> cells_;
  std::vector<std::string> texts_;
};

}  // namespace

class RowReader::Rows {
 public:
  virtual ~Rows() = default;
  virtual const std::vector<std::string>& columns() const = 0;
  virtual Result<bool> Next() = 0;
  virtual std::span<const std::string_view> cells() const = 0;
  virtual Status Wrong(std::string_view message) const = 0;
};

class RowReader::CsvRows final : public Rows {
 public:
  explicit CsvRows(CsvReader reader) : reader_(std::move(reader)) {}
  const std::vector<std::string>& columns() const override { return reader_.columns(); }
  Result<bool> Next() override { return reader_.Next(); }
  std::span<const std::string_view> cells() const override { return reader_.cells(); }
  Status Wrong(std::string_view message) const override { return reader_.Wrong(message); }

 private:
  CsvReader reader_;
};

class RowReader::JsonRows final : public Rows {
 public:
  explicit JsonRows(LineReader lines) : lines_(std::move(lines)) {}
  const std::vector<std::string>& columns() const override { return cells_.columns(); }
  std::span<const std::string_view> cells() const override { return cells_.cells(); }
  Status Wrong(std::string_view message) const override { return lines_.Wrong(message); }

  Result<bool> Next() override {
    for (;;) {
      GEMEL_TRY_LET(const std::optional<std::string_view> line, lines_.Next());
      if (!line) return false;
      if (line->find_first_not_of(" \t") == std::string_view::npos) continue;
      GEMEL_TRY(Take(*line));
      return true;
    }
  }

 private:
  Status Take(std::string_view line) {
    element document;
    if (const auto error = parser_.parse(line.data(), line.size()).get(document))
      return Wrong(fmt::format("no JSON: {}", simdjson::error_message(error)));
    object row;
    if (document.get(row) != simdjson::SUCCESS) return Wrong("no JSON object");
    cells_.Begin(row.size());
    size_t expected = 0;
    for (const auto& [name, value] : row) {
      const size_t column = cells_.ColumnOf(name, expected);
      if (!cells_.Set(column, value)) return Wrong(fmt::format("{} stands twice", Quote(name)));
      expected = column + 1;
    }
    return Status::Ok();
  }

  LineReader lines_;
  simdjson::dom::parser parser_;
  JsonCells cells_;
};

class RowReader::FeatureRows final : public Rows {
 public:
  explicit FeatureRows(std::string name) : name_(std::move(name)) {}
  const std::vector<std::string>& columns() const override { return cells_.columns(); }
  std::span<const std::string_view> cells() const override { return cells_.cells(); }
  Status Wrong(std::string_view message) const override {
    if (next_ == 0) return Invalid(fmt::format("{}: {}", name_, message));
    return Invalid(fmt::format("{}: feature {}: {}", name_, next_ - 1, message));
  }

  Status Read(ByteWindow bytes) {
    GEMEL_TRY(SkipByteOrderMark(bytes));
    for (;;) {
      text_ += bytes.view();
      bytes.Consume(bytes.view().size());
      if (text_.size() > kDocumentBytesMax - simdjson::SIMDJSON_PADDING)
        return Wrong(fmt::format("more than {} bytes", kDocumentBytesMax));
      GEMEL_TRY_LET(const bool has_more, bytes.Grow());
      if (!has_more) break;
    }
    element document;
    const auto error = parser_.parse(text_).get(document);
    std::string().swap(text_);  // the parser has a copy of all strings
    if (error != simdjson::SUCCESS) {
      return Wrong(fmt::format("neither JSON lines nor a GeoJSON FeatureCollection: {}",
                               simdjson::error_message(error)));
    }
    if (!IsFeatureCollection(document))
      return Wrong("neither JSON lines nor a GeoJSON FeatureCollection");
    if (document["features"].get(features_) != simdjson::SUCCESS)
      return Wrong("the FeatureCollection has no array \"features\"");
    GEMEL_TRY(CollectColumns());
    at_ = features_.begin();
    next_ = 0;
    return Status::Ok();
  }

  Result<bool> Next() override {
    if (at_ == features_.end()) return false;
    const element feature = *at_;
    ++at_;
    ++next_;
    cells_.Begin(cells_.columns().size());
    object properties;
    if (feature["properties"].get(properties) == simdjson::SUCCESS) {
      for (const auto& [name, value] : properties) {
        if (!cells_.Set(cells_.ColumnOf(name), value))
          return Wrong(fmt::format("{} stands twice", Quote(name)));
      }
    }
    element geometry;
    if (feature["geometry"].get(geometry) != simdjson::SUCCESS || !geometry.is_object())
      return true;
    cells_.Set(cells_.ColumnOf(kGeometry), geometry);
    element type;
    if (geometry["type"].get(type) == simdjson::SUCCESS)
      cells_.Set(cells_.ColumnOf(kGeometryType), type);
    return true;
  }

 private:
  // Properties first, so that a map's own columns stand together.
  Status CollectColumns() {
    for (const element feature : features_) {
      ++next_;
      const auto found = feature["properties"];
      object properties;
      if (found.get(properties) == simdjson::SUCCESS) {
        for (const auto& [name, value] : properties) cells_.ColumnOf(name);
      } else if (!found.is_null()) {
        return Wrong("it has no object \"properties\"");
      }
    }
    next_ = 0;
    for (const std::string_view name : {kGeometry, kGeometryType}) {
      if (cells_.has_column(name))
        return Wrong(fmt::format("a property is called {}, the name of another column", name));
      cells_.ColumnOf(name);
    }
    return Status::Ok();
  }

  const std::string name_;
  std::string text_;
  simdjson::dom::parser parser_;
  simdjson::dom::array features_;
  simdjson::dom::array::iterator at_;
  size_t next_ = 0;  // features looked at
  JsonCells cells_;
};

Result<RowReader> RowReader::Open(const std::filesystem::path& path) {
  GEMEL_TRY_LET(const std::optional<char> first, FirstByte(path));
  if (first != '{') {
    GEMEL_TRY_LET(ByteWindow bytes, ByteWindow::Open(path));
    GEMEL_TRY_LET(CsvReader reader, CsvReader::Open(std::move(bytes)));
    return RowReader(std::make_unique<CsvRows>(std::move(reader)));
  }
  GEMEL_TRY_LET(const bool is_one_document, IsOneDocument(path));
  if (!is_one_document) {
    GEMEL_TRY_LET(LineReader lines, LineReader::Open(path));
    return RowReader(std::make_unique<JsonRows>(std::move(lines)));
  }
  GEMEL_TRY_LET(ByteWindow bytes, ByteWindow::Open(path));
  auto features = std::make_unique<FeatureRows>(path.string());
  GEMEL_TRY(features->Read(std::move(bytes)));
  return RowReader(std::move(features));
}

RowReader::RowReader(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
RowReader::RowReader(RowReader&&) noexcept = default;
RowReader& RowReader::operator=(RowReader&&) noexcept = default;
RowReader::~RowReader() = default;

const std::vector<std::string>& RowReader::columns() const { return rows_->columns(); }
Result<bool> RowReader::Next() { return rows_->Next(); }
std::span<const std::string_view> RowReader::cells() const { return rows_->cells(); }
Status RowReader::Wrong(std::string_view message) const { return rows_->Wrong(message); }

}  // namespace gemel::codec
