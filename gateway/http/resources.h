#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/message.h"

namespace gemel::http {

enum class Runs : unsigned char {
  kAtOnce,    // on the thread of the sockets: reads counters, waits for nothing
  kOnWorker,  // may wait for shards
};

enum class Answers : unsigned char {
  kGet,    // GET and HEAD, and changes nothing
  kPost,   // POST alone
  kPatch,  // PATCH alone
};

// One line of the API: where it is and what answers there.
struct Resource {
  std::string_view path;  // constant text; a segment "{}" stands for any
  Runs runs = Runs::kAtOnce;
  // Must be callable from several threads at once if it runs on workers.
  std::function<Response(const Request&)> handle;
  Answers answers = Answers::kGet;
};

struct Found {
  const Resource* resource = nullptr;  // nullptr if none answers this method there
  std::string allowed;  // the methods at the path, as the Allow field has them; empty: none
};
Found FindResource(const std::vector<Resource>& resources, const std::vector<std::string>& path,
                   std::string_view method);

}  // namespace gemel::http
