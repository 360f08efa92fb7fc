#include "gateway/config/origin.h"

#include <fmt/format.h>

namespace gemel::config {
namespace {

bool IsAtOrBelow(std::string_view path, std::string_view ancestor) {
  if (!path.starts_with(ancestor)) return false;
  const std::string_view rest = path.substr(ancestor.size());
  return rest.empty() || rest.front() == '.' || rest.front() == '[';
}

}  // namespace

Status Origin::Wrong(std::string_view path, std::string_view message) const {
  std::string_view place = file_name_;
  size_t longest = 0;
  for (const auto& [overridden, variable] : variables_) {
    if (overridden.size() < longest || !IsAtOrBelow(path, overridden)) continue;
    longest = overridden.size();
    place = variable;
  }
  if (path.empty()) return Invalid(fmt::format("{}: {}", place, message));
  return Invalid(fmt::format("{}: {}: {}", place, path, message));
}

}  // namespace gemel::config
