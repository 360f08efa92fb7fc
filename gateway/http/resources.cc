#include "gateway/http/resources.h"

namespace gemel::http {
namespace {

bool Matches(std::string_view pattern, const std::vector<std::string>& path) {
  pattern.remove_prefix(1);
  for (size_t i = 0; i < path.size(); ++i) {
    const size_t end = pattern.find('/');
    const std::string_view segment = pattern.substr(0, end);
    const bool is_last = end == std::string_view::npos;
    if (segment == "{}" ? path[i].empty() : segment != path[i]) return false;
    if (is_last) return i + 1 == path.size();
    pattern.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

const Resource* FindResource(const std::vector<Resource>& resources,
                             const std::vector<std::string>& path) {
  for (const Resource& resource : resources) {
    if (Matches(resource.path, path)) return &resource;
  }
  return nullptr;
}

}  // namespace gemel::http
