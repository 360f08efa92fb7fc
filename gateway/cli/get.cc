#include "gateway/cli/get.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/time_text.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/target.h"

namespace gemel::cli {
namespace {

using Json = nlohmann::ordered_json;

Json Member(const Json& object, const char* name) {
  return object.is_object() ? object.value(name, Json()) : Json();
}

void PrintFields(std::string_view title, const Json& fields) {
  if (!fields.is_object() || fields.empty()) return;
  size_t width = 0;
  for (const auto& [name, value] : fields.items()) width = std::max(width, name.size());
  fmt::print("{}\n", title);
  for (const auto& [name, value] : fields.items()) {
    fmt::print("  {:<{}}  {}\n", Cell(name), width, Cell(value));
  }
}

void PrintAlerts(const Json& alerts) {
  if (!alerts.is_array() || alerts.empty()) return;
  Table table({"  SEVERITY", "STATUS", "CODE", "COUNT", "ID", "MESSAGE"});
  for (const Json& alert : alerts) {
    table.Add({"  " + Cell(Member(alert, "severity")), Cell(Member(alert, "status")),
               Cell(Member(alert, "code")), Cell(Member(alert, "count")), Cell(Member(alert, "id")),
               Cell(Member(alert, "message"))});
  }
  fmt::print("alerts\n{}", table.Text(0));
}

std::string Moment(const Json& time_ms) {
  if (!time_ms.is_number_integer()) return Cell(time_ms);
  constexpr int64_t kMicroseconds = 1'000;
  return FormatIsoTime(
      std::clamp(time_ms.get<int64_t>(), kTimeMinUs / kMicroseconds, kTimeMaxUs / kMicroseconds) *
      kMicroseconds);
}

void PrintTimers(const Json& timers) {
  if (!timers.is_array() || timers.empty()) return;
  Table table({"  TIMER", "DUE", "EVERY"});
  for (const Json& timer : timers) {
    const Json every = Member(timer, "every_ms");
    table.Add({"  " + Cell(Member(timer, "name")), Moment(Member(timer, "due_ms")),
               every == 0 ? "once" : Age(every)});
  }
  fmt::print("timers\n{}", table.Text(0));
}

void PrintCommands(const Json& commands) {
  if (!commands.is_array() || commands.empty()) return;
  Table table({"  COMMAND", "SENT", "LAST", "EXPIRES", "ID"});
  for (const Json& command : commands) {
    table.Add({"  " + Cell(Member(command, "name")), Cell(Member(command, "sent")),
               Moment(Member(command, "time_ms")), Moment(Member(command, "expires_ms")),
               Cell(Member(command, "id"))});
  }
  fmt::print("commands without an answer\n{}", table.Text(0));
}

}  // namespace

int GetMain(int count, const char* const* arguments) {
  CLI::App app("Shows one twin.", "gemel get");
  std::string server;
  std::string key;
  bool is_json = false;
  AddKeyArgument(app, key);
  AddServerOption(app, server);
  app.add_flag("--json", is_json, "Print one object");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;

  const size_t slash = key.find('/');
  const auto reply = Client(server).Get(fmt::format("/api/v1/twins/{}/{}",
                                                    http::PercentEncode(key.substr(0, slash)),
                                                    http::PercentEncode(key.substr(slash + 1))));
  if (!reply.ok()) return Fail(reply.status());
  if (is_json) {
    fmt::print("{}\n", reply->json.dump(2));
    return kDone;
  }
  fmt::print("{}/{}, heard {} ago\n", Cell(Member(reply->json, "model")),
             Cell(Member(reply->json, "id")), Age(Member(reply->json, "age_ms")));
  PrintFields("state", Member(reply->json, "state"));
  PrintFields("profile", Member(reply->json, "profile"));
  PrintAlerts(Member(reply->json, "alerts"));
  PrintTimers(Member(reply->json, "timers"));
  PrintCommands(Member(reply->json, "commands"));
  return kDone;
}

}  // namespace gemel::cli
