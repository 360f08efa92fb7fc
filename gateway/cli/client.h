#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "gateway/base/status.h"

namespace CLI {
class App;
}

namespace gemel::cli {

// Adds --server, whose default is $GEMEL_SERVER or the gateway's own default.
void AddServerOption(CLI::App& app, std::string& server);

struct Reply {
  nlohmann::ordered_json json;
  std::optional<std::string> next;  // path of the next page, if there is one
};

// Asks running gateways. One thread.
class Client {
 public:
  // `server` is http://host[:port].
  explicit Client(std::string server) : server_(std::move(server)) {}

  // GET of a path that is encoded already. NotFound if the gateway knows no such thing, Invalid if
  // it does not accept the request, Unavailable if it can't be reached or its answer is not JSON.
  Result<Reply> Get(const std::string& path) const;
  // POST and PATCH of a JSON document; fail in the same ways.
  Result<Reply> Post(const std::string& path, const std::string& json) const;
  Result<Reply> Patch(const std::string& path, const std::string& json) const;

 private:
  // Without a body it is a GET.
  Result<Reply> Ask(const char* method, const std::string& path,
                    const std::string* json_body) const;

  std::string server_;
};

// Prints the failure and returns the exit code that it has for every verb that asks a gateway.
int Fail(const Status& status);

}  // namespace gemel::cli
