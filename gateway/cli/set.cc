#include "gateway/cli/set.h"

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/target.h"

namespace gemel::cli {
namespace {

constexpr const char* kSetFooter =
    "Examples: gemel set truck/42 cargo_min_c=2 cargo_max_c=5\n"
    "          gemel set truck/42 --unset cargo_max_c\n"
    "What is set holds until it is unset, whatever the profile's file says.";

}  // namespace

int SetMain(int count, const char* const* arguments) {
  CLI::App app("Sets profile fields of a twin: what is known of its device.", "gemel set");
  app.footer(kSetFooter);
  std::string server;
  std::string key;
  std::vector<std::string> assignments;
  std::vector<std::string> unset;
  bool creates = false;
  bool is_json = false;
  AddKeyArgument(app, key);
  app.add_option("FIELD=VALUE", assignments, "Profile fields and their values");
  app.add_option("--unset", unset, "A field that is as the profile's file says again; repeatable")
      ->expected(1)
      ->allow_extra_args(false);
  app.add_flag("--create", creates, "Make the twin if there is none");
  AddServerOption(app, server);
  app.add_flag("--json", is_json, "Print the twin as one object");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;

  auto fields = nlohmann::ordered_json::object();
  for (const std::string& name : unset) fields[name] = nullptr;
  for (const std::string& assignment : assignments) {
    const size_t equal = assignment.find('=');
    if (equal == std::string::npos || equal == 0) {
      return Fail(
          kUsage,
          fmt::format("set: {} is no FIELD=VALUE, like cargo_max_c=5", Quote(assignment)).c_str());
    }
    const std::string name = assignment.substr(0, equal);
    if (fields.contains(name))
      return Fail(kUsage, fmt::format("set: {} is named twice", Quote(name)).c_str());
    fields[name] = assignment.substr(equal + 1);
  }
  if (fields.empty() && !creates)
    return Fail(kUsage, "set: nothing to set: FIELD=VALUE or --unset FIELD");
  const size_t slash = key.find('/');
  const auto reply = Client(server).Patch(
      fmt::format("/api/v1/twins/{}/{}{}", http::PercentEncode(key.substr(0, slash)),
                  http::PercentEncode(key.substr(slash + 1)), creates ? "?create=true" : ""),
      fields.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (!reply.ok()) return Fail(reply.status());
  if (is_json) {
    fmt::print("{}\n", reply->json.dump(2));
    return kDone;
  }
  const auto profile = reply->json.find("profile");
  if (profile == reply->json.end()) {
    fmt::print("recorded\n");  // and not applied yet
    return kDone;
  }
  for (const auto& [name, value] : profile->items()) fmt::print("{}={}\n", name, Cell(value));
  return kDone;
}

}  // namespace gemel::cli
