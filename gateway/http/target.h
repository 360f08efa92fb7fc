#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What stands between method and version of a request line.
namespace gemel::http {

struct Target {
  std::string authority;  // of http://authority/path; empty in the usual form
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> query;
};

// Nothing if it is neither /path nor http://authority/path, or a %-escape is malformed. Each path
// segment is decoded once and by itself, so no escape can climb out of it.
std::optional<Target> ParseTarget(std::string_view target);

// Every byte but letters, digits and -._~ as %XX: a path segment or a query's value.
std::string PercentEncode(std::string_view text);

}  // namespace gemel::http
