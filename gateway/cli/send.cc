#include "gateway/cli/send.h"

#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/target.h"

namespace gemel::cli {
namespace {

constexpr const char* kSendFooter =
    "Examples: gemel send truck/42 rest '{\"minutes\": 30}' --expires 10m\n"
    "Where the route has a command_ack, /api/v1/commands?id=ID tells what became of it.";

}  // namespace

int SendMain(int count, const char* const* arguments) {
  CLI::App app("Sends a command to the device of a twin.", "gemel send");
  app.footer(kSendFooter);
  std::string server;
  std::string key;
  std::string name;
  std::string json = "{}";
  std::string expires;
  bool is_json = false;
  AddKeyArgument(app, key);
  app.add_option("COMMAND", name, "Its name, [a-z0-9_]+")->required();
  app.add_option("JSON", json, "Its arguments: a JSON object")->capture_default_str();
  app.add_option("--expires", expires,
                 "When it is of no use any more: 30s, 10m; never if not given");
  AddServerOption(app, server);
  app.add_flag("--json", is_json, "Print one object");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;

  const auto args = nlohmann::ordered_json::parse(json, nullptr, false);
  if (!args.is_object())
    return Fail(kUsage,
                "send: JSON: the arguments must be a JSON object, like '{\"minutes\": 30}'");
  nlohmann::ordered_json body = {{"name", name}, {"args", args}};
  if (!expires.empty()) body["expires"] = expires;
  const size_t slash = key.find('/');
  const auto reply = Client(server).Post(
      fmt::format("/api/v1/twins/{}/{}/commands", http::PercentEncode(key.substr(0, slash)),
                  http::PercentEncode(key.substr(slash + 1))),
      body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (!reply.ok()) return Fail(reply.status());
  if (is_json) {
    fmt::print("{}\n", reply->json.dump(2));
  } else {
    fmt::print("{}: {}\n", Cell(reply->json.value("id", nlohmann::ordered_json())),
               Cell(reply->json.value("status", nlohmann::ordered_json())));
  }
  return kDone;
}

}  // namespace gemel::cli
