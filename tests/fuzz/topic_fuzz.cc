#include <string>
#include <vector>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/base/utf8.h"
#include "gateway/route/id.h"
#include "gateway/route/router.h"
#include "tests/fuzz/entry.h"

namespace gemel::fuzz {
namespace {

route::Router Routes() {
  std::vector<route::Template> templates;
  for (const char* text : {"fleet/{region}/truck/{id}/telemetry", "fleet/{region}/truck/{id}/door",
                           "bus/{route}/{id}/position", "in/dev-{id}.json", "in/{id}.cbor", "any/#",
                           "tele/+/{id}", "tele/+/{id}/x", "a/b"}) {
    templates.push_back(*route::Template::Parse(text));
  }
  return *route::Router::Build(templates);
}

void CheckIds(std::string_view text) {
  GEMEL_ASSERT(route::CheckId(text) || (text.size() <= kIdBytesMax && IsUtf8(text)));
  std::string encoded;
  if (!route::EncodeId(text, encoded)) GEMEL_ASSERT(!route::CheckId(encoded));
}

// Whatever parses overlaps itself, and its own text routes where it has no captures.
void CheckTemplate(std::string_view text) {
  const Result<route::Template> parsed = route::Template::Parse(text);
  if (!parsed.ok()) return;
  std::string example;
  GEMEL_ASSERT(parsed->Overlaps(*parsed, &example));
  const Result<route::Router> router = route::Router::Build({&*parsed, 1});
  route::Match match;
  GEMEL_ASSERT(router.ok() && router->Find(example, match));
  GEMEL_ASSERT(match.captures == parsed->names().size());
}

}  // namespace

int Topic(const uint8_t* data, size_t size) {
  static const route::Router router = Routes();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckIds(text);
  CheckTemplate(text);
  GEMEL_ASSERT(route::CheckTopic(text) || (text.size() <= kTopicBytesMax && IsUtf8(text)));
  route::Match match;
  if (!router.Find(text, match)) return 0;
  for (uint32_t i = 0; i < match.captures; ++i) {
    const std::string_view capture = match.values[i];
    GEMEL_ASSERT(capture.find('/') == std::string_view::npos);
    GEMEL_ASSERT(capture.data() >= text.data() && capture.end() <= text.end());
  }
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Topic)
