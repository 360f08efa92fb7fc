#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace gemel::cli {

// Rows with aligned columns, for people.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  // REQUIRES: as many cells as the header has.
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  // Numbers stand right, all else left. Columns that would pass `width` are left out from the first
  // one that does not fit; 0 is without bound. The first column always stays.
  std::string Text(size_t width) const;
  // How many columns Text leaves out.
  size_t ColumnsLeftOut(size_t width) const;

 private:
  size_t ColumnsThatFit(size_t width) const;
  std::vector<size_t> Widths() const;

  std::vector<std::vector<std::string>> rows_;
};

// A JSON value as people read it: text as it is, null as "-". Control, invisible and
// direction-changing characters are escaped: names come from devices, and a terminal obeys them.
std::string Cell(const nlohmann::ordered_json& value);

// 950 ms, 12.4 s, 3 min, 2 h, 5 d.
std::string Age(const nlohmann::ordered_json& age_ms);

// Columns of the terminal that stdout is; 0 if it is none.
size_t TerminalWidth();

}  // namespace gemel::cli
