#include "gateway/cli/alerts.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/lsn.h"
#include "gateway/base/time_text.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/target.h"

namespace gemel::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAlertsFooter =
    "Examples: gemel alerts\n          gemel alerts --severity critical --json\n          gemel "
    "alerts ack a-1a2b-0 --comment \"on its way\"";

struct AlertsOptions {
  std::string server;
  std::string model;
  std::string severity;
  std::string status;
  bool is_json = false;
  std::string id;
  std::string by;
  std::string comment;
  std::string twin;
  std::string since;
  size_t limit = 1'000;
};

std::string When(const Json& alert, const char* name) {
  const auto found = alert.find(name);
  if (found == alert.end() || !found->is_number_integer()) return "-";
  const int64_t ms = found->get<int64_t>();
  if (ms < kTimeMinUs / 1'000 || ms > kTimeMaxUs / 1'000) return "-";
  return FormatIsoTime(ms * 1'000);
}

std::string CellOf(const Json& alert, const char* name) {
  return Cell(alert.is_object() ? alert.value(name, Json()) : Json());
}

std::string OwnerOf(const Json& alert) {
  return CellOf(alert, "model") + "/" + CellOf(alert, "twin");
}

int ListAlerts(const AlertsOptions& options) {
  std::string path = "/api/v1/alerts?limit=100000";
  for (const auto& [name, value] :
       {std::pair("model", options.model), std::pair("severity", options.severity),
        std::pair("status", options.status)}) {
    if (!value.empty()) path += fmt::format("&{}={}", name, http::PercentEncode(value));
  }
  const auto reply = Client(options.server).Get(path);
  if (!reply.ok()) return Fail(reply.status());
  if (options.is_json) {
    fmt::print("{}\n", reply->json.dump(2, ' ', false, Json::error_handler_t::replace));
    return kDone;
  }
  if (reply->json.empty()) {
    fmt::print(stderr, "no alert is active or waits to be acknowledged\n");
    return kDone;
  }
  Table table({"SEVERITY", "STATUS", "TWIN", "CODE", "SINCE", "COUNT", "ID", "BY", "MESSAGE"});
  for (const Json& alert : reply->json) {
    table.Add({CellOf(alert, "severity"), CellOf(alert, "status"), OwnerOf(alert),
               CellOf(alert, "code"), When(alert, "first_ms"), CellOf(alert, "count"),
               CellOf(alert, "id"), CellOf(alert, "acked_by"), CellOf(alert, "message")});
  }
  fmt::print("{}", table.Text(TerminalWidth()));
  return kDone;
}

int AckAlert(const AlertsOptions& options) {
  if (!ParseEffectId('a', options.id)) {
    return Fail(
        kUsage,
        fmt::format("alerts: {}: an alert's id is like a-1a2b-0", Cell(Json(options.id))).c_str());
  }
  const Json body = {{"by", options.by}, {"comment", options.comment}};
  const auto reply = Client(options.server)
                         .Post(fmt::format("/api/v1/alerts/{}/ack", options.id),
                               body.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!reply.ok()) return Fail(reply.status());
  const Json& alert = reply->json;
  if (options.is_json) {
    fmt::print("{}\n", alert.dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (CellOf(alert, "status") == "recorded") {
    fmt::print("{}: recorded; the gateway is behind and takes it into account later\n",
               CellOf(alert, "id"));
  } else {
    fmt::print("{}: {}, acknowledged by {}\n", CellOf(alert, "id"), CellOf(alert, "status"),
               CellOf(alert, "acked_by"));
  }
  return kDone;
}

int ShowHistory(const AlertsOptions& options) {
  std::string path = fmt::format("/api/v1/alerts/history?limit={}", options.limit);
  for (const auto& [name, value] : {std::pair("twin", options.twin), std::pair("id", options.id),
                                    std::pair("since", options.since)}) {
    if (!value.empty()) path += fmt::format("&{}={}", name, http::PercentEncode(value));
  }
  const auto reply = Client(options.server).Get(path);
  if (!reply.ok()) return Fail(reply.status());
  if (options.is_json) {
    fmt::print("{}\n", reply->json.dump(2, ' ', false, Json::error_handler_t::replace));
    return kDone;
  }
  Table table({"WHEN", "CHANGE", "SEVERITY", "STATUS", "TWIN", "CODE", "ID", "BY", "MESSAGE"});
  for (const Json& row : reply->json) {
    table.Add({When(row, "time_ms"), CellOf(row, "change"), CellOf(row, "severity"),
               CellOf(row, "status"), OwnerOf(row), CellOf(row, "code"), CellOf(row, "id"),
               CellOf(row, "acked_by"), CellOf(row, "message")});
  }
  fmt::print("{}", table.Text(TerminalWidth()));
  return kDone;
}

void AddHistory(CLI::App& app, AlertsOptions& options) {
  AddServerOption(app, options.server);
  app.add_option("--twin", options.twin, "Only of this twin, MODEL/ID, or of this model, MODEL");
  app.add_option("--id", options.id, "Only of this alert, like a-1a2b-0");
  app.add_option("--since", options.since, "Only of the last so long: 30m, 1h, 7d");
  app.add_option("--limit", options.limit, "At most so many, the newest ones")
      ->check(CLI::Range(size_t{1}, size_t{100'000}))
      ->capture_default_str();
  app.add_flag("--json", options.is_json, "Print an array of objects");
}

void AddList(CLI::App& app, AlertsOptions& options) {
  AddServerOption(app, options.server);
  app.add_option("--model", options.model, "Only of twins of this model");
  app.add_option("--severity", options.severity, "Only of this severity")
      ->check(CLI::IsMember({"critical", "major", "minor", "warning", "info"}));
  app.add_option("--status", options.status, "Only of this status")
      ->check(CLI::IsMember({"active_unacked", "active_acked", "cleared_unacked"}));
  app.add_flag("--json", options.is_json, "Print an array of objects");
}

void AddAck(CLI::App& app, AlertsOptions& options) {
  app.add_option("ID", options.id, "The alert's id, like a-1a2b-0")->required();
  AddServerOption(app, options.server);
  const char* const user = std::getenv("USER");
  options.by = user == nullptr || *user == '\0' ? "gemel alerts" : user;
  app.add_option("--by", options.by, "Who takes it on; $USER if not given")->capture_default_str();
  app.add_option("--comment", options.comment, "What they say of it");
  app.add_flag("--json", options.is_json, "Print one object");
}

}  // namespace

int AlertsMain(int count, const char* const* arguments) {
  CLI::App app(
      "Lists the alerts that are active or not acknowledged, acknowledges them, and shows "
      "what has become of them.",
      "gemel alerts");
  app.footer(kAlertsFooter);
  app.require_subcommand(0, 1);
  AlertsOptions options;
  AddList(app, options);
  AlertsOptions list_options;
  AddList(*app.add_subcommand("list", "Lists them; what `gemel alerts` does as well"),
          list_options);
  AlertsOptions ack_options;
  AddAck(*app.add_subcommand("ack", "Acknowledges one"), ack_options);
  AlertsOptions history_options;
  AddHistory(*app.add_subcommand("history", "Shows what has become of alerts, newest first"),
             history_options);
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  if (app.got_subcommand("ack")) return AckAlert(ack_options);
  if (app.got_subcommand("history")) return ShowHistory(history_options);
  return ListAlerts(app.got_subcommand("list") ? list_options : options);
}

}  // namespace gemel::cli
