#include "gateway/cli/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/base/utf8.h"

namespace gemel::cli {
namespace {

constexpr size_t kGap = 2;

// Characters, as far as a terminal gives each of them one column.
size_t ShownWidth(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsNumber(std::string_view cell) {
  return !cell.empty() && (cell == "-" || cell[0] == '-' || (cell[0] >= '0' && cell[0] <= '9')) &&
         cell.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

std::string Plain(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Character next = NextCharacter(rest);
    if (!next.is_valid || IsInvisible(next.code)) return Quote(text, 1'024);
    rest.remove_prefix(next.size);
  }
  return std::string(text);
}

}  // namespace

std::vector<size_t> Table::Widths() const {
  std::vector<size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], ShownWidth(row[i]));
  }
  return widths;
}

size_t Table::ColumnsThatFit(size_t width) const {
  const std::vector<size_t> widths = Widths();
  if (width == 0) return widths.size();
  size_t used = widths[0];
  size_t columns = 1;
  while (columns < widths.size() && used + kGap + widths[columns] <= width) {
    used += kGap + widths[columns++];
  }
  return columns;
}

size_t Table::ColumnsLeftOut(size_t width) const {
  return rows_.front().size() - ColumnsThatFit(width);
}

std::string Table::Text(size_t width) const {
  const std::vector<size_t> widths = Widths();
  const size_t columns = ColumnsThatFit(width);
  std::vector<bool> is_right(columns, rows_.size() > 1);
  for (size_t i = 0; i < columns; ++i) {
    for (size_t row = 1; row < rows_.size(); ++row) {
      is_right[i] = is_right[i] && IsNumber(rows_[row][i]);
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < columns; ++i) {
      if (i > 0) line.append(kGap, ' ');
      const size_t padding = widths[i] - ShownWidth(row[i]);
      if (is_right[i]) line.append(padding, ' ');
      line += row[i];
      if (!is_right[i]) line.append(padding, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string Cell(const nlohmann::ordered_json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return Plain(value.get_ref<const std::string&>());
  return Plain(value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

std::string Age(const nlohmann::ordered_json& age_ms) {
  if (!age_ms.is_number()) return "-";
  const double seconds = age_ms.get<double>() / 1'000;
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1'000);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 2 * 3'600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 48 * 3'600) return fmt::format("{:.0f} h", seconds / 3'600);
  return fmt::format("{:.0f} d", seconds / 86'400);
}

size_t TerminalWidth() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace gemel::cli
