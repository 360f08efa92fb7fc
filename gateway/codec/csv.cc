#include "gateway/codec/csv.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace gemel::codec {

Result<CsvReader> CsvReader::Open(ByteWindow bytes, CsvOptions options) {
  CsvReader reader(std::move(bytes), options.separator);
  GEMEL_TRY(SkipByteOrderMark(reader.bytes_));
  reader.columns_ = std::move(options.columns);
  if (reader.columns_.empty()) GEMEL_TRY(reader.ReadHeader());
  std::vector<std::string> sorted = reader.columns_;
  std::ranges::sort(sorted);
  if (sorted.front().empty()) return reader.Wrong("a column without a name");
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    return reader.Wrong(fmt::format("column \"{}\" stands twice", *twice));
  return reader;
}

Status CsvReader::ReadHeader() {
  GEMEL_TRY_LET(const bool has_row, NextRow());
  if (!has_row) return Invalid(bytes_.name() + ": no header row: the file is empty");
  columns_.assign(cells_.begin(), cells_.end());
  return Status::Ok();
}

Result<bool> CsvReader::Next() {
  GEMEL_TRY_LET(const bool has_row, NextRow());
  if (!has_row) return false;
  if (cells_.size() != columns_.size()) {
    return Wrong(fmt::format("a row of {} {} in a table of {} columns", cells_.size(),
                             cells_.size() == 1 ? "cell" : "cells", columns_.size()));
  }
  return true;
}

Result<bool> CsvReader::NextRow() {
  for (;;) {
    bytes_.Consume(std::exchange(row_bytes_, 0));
    line_ = next_line_;
    bool is_all = false;
    for (;;) {
      GEMEL_TRY_LET(const Scan scan, ScanRow(is_all));
      if (scan == Scan::kRow) break;
      if (bytes_.view().size() > kRowBytesMax)
        return Wrong(fmt::format("a row of more than {} bytes", kRowBytesMax));
      GEMEL_TRY_LET(const bool has_more, bytes_.Grow());
      is_all = !has_more;
    }
    if (row_bytes_ == 0) return false;
    const bool is_blank = found_.empty() || (found_.size() == 1 && !found_[0].is_quoted &&
                                             found_[0].begin == found_[0].end);
    const std::string_view row = bytes_.view().substr(0, row_bytes_);
    next_line_ += static_cast<size_t>(std::ranges::count(row, '\n'));
    if (is_blank) continue;
    GEMEL_TRY(TakeCells());
    return true;
  }
}

// Finds the cells of the row at the window's start, without changing it: the row may go on behind
// it.
Result<CsvReader::Scan> CsvReader::ScanRow(bool is_all) {
  found_.clear();
  size_t at = 0;
  SkipBlanks(at);
  for (;;) {
    // Enough to tell CR LF from a CR that is text.
    if (at + 2 > bytes_.view().size() && !is_all) return Scan::kMore;
    // A blank at the end of a row separates nothing.
    if (separator_ != ' ' || !IsRowEnd(at)) {
      GEMEL_TRY_LET(const Scan scan, ScanCell(at, is_all));
      if (scan == Scan::kMore) return scan;
    }
    const std::string_view text = bytes_.view();
    if (at == text.size()) break;
    if (text[at] == separator_) {
      ++at;
      SkipBlanks(at);
      continue;
    }
    at = std::min(text.find('\n', at), text.size() - 1) + 1;
    break;
  }
  row_bytes_ = at;
  return Scan::kRow;
}

// Adds the cell at `at`, and moves `at` to the separator, line end or end of file behind it.
Result<CsvReader::Scan> CsvReader::ScanCell(size_t& at, bool is_all) {
  const std::string_view text = bytes_.view();
  Cell cell{.begin = at, .end = at, .is_quoted = at < text.size() && text[at] == '"'};
  if (!cell.is_quoted) {
    while (at < text.size() && text[at] != separator_ && text[at] != '\n' && text[at] != '"') ++at;
    if (at == text.size() && !is_all) return Scan::kMore;
    if (at < text.size() && text[at] == '"')
      return Wrong("a quote inside a cell that does not begin with one");
    const bool is_last = at == text.size() || text[at] == '\n';
    cell.end = is_last && at > cell.begin && text[at - 1] == '\r' ? at - 1 : at;
    found_.push_back(cell);
    return Scan::kRow;
  }
  ++cell.begin;
  size_t quote = text.find('"', cell.begin);
  while (quote < text.size() && text.substr(quote + 1).starts_with('"')) {
    cell.has_doubled_quotes = true;
    quote = text.find('"', quote + 2);
  }
  if (quote == std::string_view::npos) {
    if (is_all) return Wrong("a quoted cell that does not end");
    return Scan::kMore;
  }
  // What follows the quote decides, and CR needs its LF.
  if (quote + 2 >= text.size() && !is_all) return Scan::kMore;
  cell.end = quote;
  at = quote + 1;
  if (at < text.size() && text[at] != separator_ && !IsRowEnd(at))
    return Wrong("text behind the closing quote of a cell");
  found_.push_back(cell);
  if (at < text.size() && text[at] == '\r') at = std::min(at + 1, text.size());
  return Scan::kRow;
}

bool CsvReader::IsRowEnd(size_t at) const {
  const std::string_view rest = bytes_.view().substr(at);
  return rest.empty() || rest == "\r" || rest.starts_with('\n') || rest.starts_with("\r\n");
}

void CsvReader::SkipBlanks(size_t& at) const {
  const std::string_view text = bytes_.view();
  while (separator_ == ' ' && at < text.size() && text[at] == ' ') ++at;
}

Status CsvReader::TakeCells() {
  if (row_bytes_ > kRowBytesMax)
    return Wrong(fmt::format("a row of more than {} bytes", kRowBytesMax));
  if (!simdjson::validate_utf8(bytes_.data(), row_bytes_)) return Wrong("text that is not UTF-8");
  cells_.clear();
  for (const Cell& cell : found_) {
    char* const begin = bytes_.data() + cell.begin;
    char* end = bytes_.data() + cell.end;
    if (cell.has_doubled_quotes) {
      char* to = begin;
      for (const char* from = begin; from < end; ++from) {
        *to++ = *from;
        if (*from == '"') ++from;
      }
      end = to;
    }
    cells_.emplace_back(begin, static_cast<size_t>(end - begin));
  }
  return Status::Ok();
}

Status CsvReader::Wrong(std::string_view message) const {
  return Invalid(fmt::format("{}:{}: {}", bytes_.name(), line_, message));
}

}  // namespace gemel::codec
