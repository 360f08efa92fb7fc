#include "gateway/codec/rows.h"

#include <simdjson.h>

#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/codec/csv.h"
#include "gateway/codec/lines.h"

namespace gemel::codec {

class RowReader::Rows {
 public:
  virtual ~Rows() = default;
  virtual const std::vector<std::string>& columns() const = 0;
  virtual Result<bool> Next() = 0;
  virtual std::span<const std::string_view> cells() const = 0;
  virtual size_t line() const = 0;
  virtual Status Wrong(std::string_view message) const = 0;
};

class RowReader::CsvRows final : public Rows {
 public:
  explicit CsvRows(CsvReader reader) : reader_(std::move(reader)) {}
  const std::vector<std::string>& columns() const override { return reader_.columns(); }
  Result<bool> Next() override { return reader_.Next(); }
  std::span<const std::string_view> cells() const override { return reader_.cells(); }
  size_t line() const override { return reader_.line(); }
  Status Wrong(std::string_view message) const override { return reader_.Wrong(message); }

 private:
  CsvReader reader_;
};

class RowReader::JsonRows final : public Rows {
 public:
  explicit JsonRows(LineReader lines) : lines_(std::move(lines)) {}
  const std::vector<std::string>& columns() const override { return columns_; }
  std::span<const std::string_view> cells() const override { return cells_; }
  size_t line() const override { return lines_.line(); }
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
    simdjson::dom::element document;
    if (const auto error = parser_.parse(line.data(), line.size()).get(document))
      return Wrong(fmt::format("no JSON: {}", simdjson::error_message(error)));
    simdjson::dom::object object;
    if (document.get(object) != simdjson::SUCCESS) return Wrong("no JSON object");
    // A null pointer marks a column that the row has not set yet.
    cells_.assign(columns_.size(), std::string_view{});
    texts_.clear();
    texts_.reserve(object.size());  // views into them must stay
    size_t expected = 0;
    for (const auto& [name, value] : object) {
      const size_t column = ColumnOf(name, expected);
      if (cells_[column].data() != nullptr)
        return Wrong(fmt::format("{} stands twice", Quote(name)));
      cells_[column] = TextOf(value);
      expected = column + 1;
    }
    return Status::Ok();
  }

  // Rows tend to have the same members in the same order: `expected` is looked at first.
  size_t ColumnOf(std::string_view name, size_t expected) {
    if (expected < columns_.size() && columns_[expected] == name) return expected;
    if (const auto known = numbers_.find(name); known != numbers_.end()) return known->second;
    numbers_.emplace(name, columns_.size());
    columns_.emplace_back(name);
    cells_.emplace_back();
    return columns_.size() - 1;
  }

  std::string_view TextOf(simdjson::dom::element value) {
    if (value.is_null()) return "";
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) return text.data() == nullptr ? "" : text;
    return texts_.emplace_back(simdjson::minify(value));
  }

  LineReader lines_;
  simdjson::dom::parser parser_;
  std::vector<std::string> columns_;
  std::map<std::string, size_t, std::less<>> numbers_;
  std::vector<std::string_view> cells_;
  std::vector<std::string> texts_;
};

Result<RowReader> RowReader::Open(const std::filesystem::path& path) {
  GEMEL_TRY_LET(const std::optional<char> first, FirstByte(path));
  if (first == '{') {
    GEMEL_TRY_LET(LineReader lines, LineReader::Open(path));
    return RowReader(std::make_unique<JsonRows>(std::move(lines)));
  }
  GEMEL_TRY_LET(ByteWindow bytes, ByteWindow::Open(path));
  GEMEL_TRY_LET(CsvReader reader, CsvReader::Open(std::move(bytes)));
  return RowReader(std::make_unique<CsvRows>(std::move(reader)));
}

RowReader::RowReader(std::unique_ptr<Rows> rows) : rows_(std::move(rows)) {}
RowReader::RowReader(RowReader&&) noexcept = default;
RowReader& RowReader::operator=(RowReader&&) noexcept = default;
RowReader::~RowReader() = default;

const std::vector<std::string>& RowReader::columns() const { return rows_->columns(); }
Result<bool> RowReader::Next() { return rows_->Next(); }
std::span<const std::string_view> RowReader::cells() const { return rows_->cells(); }
size_t RowReader::line() const { return rows_->line(); }
Status RowReader::Wrong(std::string_view message) const { return rows_->Wrong(message); }

}  // namespace gemel::codec
