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
  kGet,   // GET and HEAD, and changes nothing
  kPost,  // POST alone
};

// One line of the API: where it is and what answers there.
struct Resource {
  std::string_view path;  // constant text; a segment "{}" stands for any
  Runs runs = Runs::kAtOnce;
  // Must be callable from several threads at once if it runs on workers.
  std::function<Response(const Request&)> handle;
  Answers answers = Answers::kGet;
};

// The methods that it answers, as the Allow field has them.
constexpr std::string_view AllowedMethods(Answers answers) {
  return answers == Answers::kGet ? "GET, HEAD" : "POST";
}

// nullptr if there is nothing at the path.
const Resource* FindResource(const std::vector<Resource>& resources,
                             const std::vector<std::string>& path);

}  // namespace gemel::http
