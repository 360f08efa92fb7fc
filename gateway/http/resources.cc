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

std::string_view MethodsOf(Answers answers) {
  switch (answers) {
    case Answers::kGet:
      return "GET, HEAD";
    case Answers::kPost:
      return "POST";
    case Answers::kPatch:
      return "PATCH";
  }
  return "";
}

bool IsAnswered(std::string_view method, Answers answers) {
  return MethodsOf(answers) == method ||
         (answers == Answers::kGet && (method == "GET" || method == "HEAD"));
}

}  // namespace

Found FindResource(const std::vector<Resource>& resources, const std::vector<std::string>& path,
                   std::string_view method) {
  Found found;
  for (const Resource& resource : resources) {
    if (!Matches(resource.path, path)) continue;
    if (found.resource == nullptr && IsAnswered(method, resource.answers))
      found.resource = &resource;
    if (!found.allowed.empty()) found.allowed += ", ";
    found.allowed += MethodsOf(resource.answers);
  }
  return found;
}

}  // namespace gemel::http
