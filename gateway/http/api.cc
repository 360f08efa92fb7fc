#include "gateway/http/api.h"

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/json_text.h"
#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/http/alerts.h"
#include "gateway/http/metrics.h"
#include "gateway/http/target.h"
#include "gateway/http/twins.h"
#include "gateway/twin/profile_change.h"

namespace gemel::http {
namespace {

constexpr std::string_view kWelcome = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Gemel</title></head><body>
<h1>Gemel</h1>
<ul>
<li><a href="/api/v1/models">/api/v1/models</a>: the models and their fields</li>
<li>/api/v1/twins/{model}?limit=N&amp;after=ID: the twins of a model, by id</li>
<li>/api/v1/twins/{model}/{id}: one twin</li>
<li>PATCH /api/v1/twins/{model}/{id}?create=false {"FIELD":…}: sets profile fields; null takes back what was set</li>
<li><a href="/api/v1/alerts">/api/v1/alerts</a>?model=&amp;severity=&amp;status=: alerts that are active or not acknowledged</li>
<li><a href="/api/v1/alerts/history">/api/v1/alerts/history</a>?twin=MODEL/ID&amp;since=1h: what has become of alerts</li>
<li>/api/v1/alerts/{id}/why: what led to an alert</li>
<li>POST /api/v1/alerts/{id}/ack {"by":…,"comment":…}: acknowledges an alert</li>
<li><a href="/api/v1/commands">/api/v1/commands</a>?twin=MODEL/ID&amp;status=&amp;since=1h: commands, where devices answer them</li>
<li>POST /api/v1/twins/{model}/{id}/commands {"name":…,"args":{…},"expires":"10m"}: tells a device something</li>
<li><a href="/metrics">/metrics</a>: counters, for Prometheus</li>
<li><a href="/healthz">/healthz</a>: whether the process works</li>
<li><a href="/readyz">/readyz</a>: whether messages flow</li>
</ul>
</body></html>
)";

Response Json(std::string body) { return {.body = std::move(body)}; }

Response Ready(const Sources& sources) {
  Readiness readiness;
  if (sources.readiness) readiness = sources.readiness();
  if (readiness.is_ready && sources.outbox.is_over()) {
    readiness = {false, fmt::format("{} bytes of effects wait for the broker, which is over their "
                                    "bound: nothing is taken in until it accepts some",
                                    sources.outbox.bytes())};
  }
  if (readiness.is_ready) return Json("{\"ready\":true}\n");
  Response response{.status = 503};
  response.body = "{\"ready\":false,\"because\":";
  AppendJsonText(readiness.because, response.body);
  response.body += "}\n";
  return response;
}

std::optional<uint16_t> FindModel(const Sources& sources, std::string_view name) {
  for (size_t i = 0; i < sources.world.models.size(); ++i) {
    if (sources.world.models[i].model->name() == name) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

Response NoModel(std::string_view name) {
  return Problem(404, fmt::format("no model {}; /api/v1/models names them", Quote(name)));
}

// A parameter that is a whole number from 1 to `max`; nothing if it is another text.
std::optional<size_t> ReadCount(const Request& request, std::string_view name, size_t otherwise,
                                size_t max) {
  const auto text = request.Parameter(name);
  if (!text) return otherwise;
  size_t count = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, count);
  if (error != std::errc() || rest != end || count < 1 || count > max) return std::nullopt;
  return count;
}

Response NoCount(const Request& request, std::string_view name, size_t max) {
  return Problem(400, fmt::format("{}={} is no whole number from 1 to {}", name,
                                  Quote(*request.Parameter(name)), max));
}

Response Twins(const Sources& sources, const Request& request) {
  const std::string& name = request.path[3];
  const auto model = FindModel(sources, name);
  if (!model) return NoModel(name);
  for (const auto& [parameter, value] : request.query) {
    if (parameter != "limit" && parameter != "after") {
      return Problem(400, fmt::format("no parameter {}; limit and after", Quote(parameter)));
    }
  }
  const auto limit = ReadCount(request, "limit", kListLimitDefault, kListLimitMax);
  if (!limit) return NoCount(request, "limit", kListLimitMax);
  TwinPage page =
      ListTwins(sources, *model, *limit, request.Parameter("after").value_or(std::string_view{}));
  Response response = Json(std::move(page.json));
  if (page.next_after) {
    response.headers.emplace_back(
        "Link", fmt::format("</api/v1/twins/{}?limit={}&after={}>; rel=\"next\"",
                            PercentEncode(name), *limit, PercentEncode(*page.next_after)));
  }
  return response;
}

Response Twin(const Sources& sources, const Request& request) {
  const std::string& name = request.path[3];
  const std::string& id = request.path[4];
  const auto model = FindModel(sources, name);
  if (!model) return NoModel(name);
  auto twin = GetTwin(sources, *model, id);
  if (!twin) return Problem(404, fmt::format("no twin {} of model {}", Quote(id), name));
  return Json(*std::move(twin));
}

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kMergePatch = "application/merge-patch+json";

// Whether it is the type, whatever its parameters.
bool IsOfType(std::string_view content_type, std::string_view type) {
  return content_type.starts_with(type) &&
         (content_type.size() == type.size() || content_type[type.size()] == ';');
}

Response NoAlertId(std::string_view text) {
  return Problem(400, fmt::format("{} is no alert's id, like a-1a2b-0", Quote(text)));
}

Response Alerts(const Sources& sources, const Request& request) {
  AlertFilter filter;
  for (const auto& [parameter, value] : request.query) {
    if (parameter == "limit") continue;
    if (parameter == "model") {
      filter.model = FindModel(sources, value);
      if (!filter.model) return NoModel(value);
    } else if (parameter == "severity") {
      filter.severity = effects::SeverityNamed(value);
      if (!filter.severity)
        return Problem(400, fmt::format("severity={} is none of critical, major, minor, warning, "
                                        "info",
                                        Quote(value)));
    } else if (parameter == "status") {
      filter.status = ParseAlertStatus(value);
      if (!filter.status)
        return Problem(400, fmt::format("status={} is none of active_unacked, active_acked, "
                                        "cleared_unacked",
                                        Quote(value)));
    } else {
      return Problem(
          400, fmt::format("no parameter {}; model, severity, status and limit", Quote(parameter)));
    }
  }
  const auto limit = ReadCount(request, "limit", kListLimitDefault, kListLimitMax);
  if (!limit) return NoCount(request, "limit", kListLimitMax);
  return Json(ListAlerts(sources, filter, *limit));
}

// What the history's lists have in common: of which twin, since when, and how many.
template <typename Query>
std::optional<Response> ReadHistoryParameter(const Sources& sources, const std::string& parameter,
                                             const std::string& value, Query& query) {
  if (parameter == "twin") {
    const size_t slash = value.find('/');
    query.model = value.substr(0, slash);
    if (!FindModel(sources, query.model)) return NoModel(query.model);
    if (slash != std::string::npos) query.twin = value.substr(slash + 1);
  } else if (parameter == "since") {
    const auto since = ParseDuration(value);
    if (!since.ok()) return Problem(400, "since: " + since.status().message());
    query.from_ms = std::chrono::floor<std::chrono::milliseconds>(sources.now() - *since)
                        .time_since_epoch()
                        .count();
  }
  return std::nullopt;
}

Response AlertHistory(const Sources& sources, const Request& request) {
  history::AlertQuery query;
  for (const auto& [parameter, value] : request.query) {
    if (parameter == "id") {
      if (!ParseEffectId('a', value)) return NoAlertId(value);
      query.id = value;
    } else if (parameter != "twin" && parameter != "since" && parameter != "limit") {
      return Problem(400,
                     fmt::format("no parameter {}; twin, id, since and limit", Quote(parameter)));
    }
    if (auto wrong = ReadHistoryParameter(sources, parameter, value, query)) return *wrong;
  }
  const auto limit = ReadCount(request, "limit", kListLimitDefault, kListLimitMax);
  if (!limit) return NoCount(request, "limit", kListLimitMax);
  query.limit = *limit;
  query.bytes_max = kListStateBytesMax;
  if (!sources.alert_history) return Problem(404, "this gateway keeps no history");
  Result<std::string> rows = sources.alert_history(query);
  return rows.ok() ? Json(*std::move(rows)) : Problem(503, rows.status().message());
}

Response Commands(const Sources& sources, const Request& request) {
  history::CommandQuery query;
  for (const auto& [parameter, value] : request.query) {
    if (parameter == "id") {
      if (!ParseEffectId('c', value))
        return Problem(400, fmt::format("{} is no command's id, like c-1a2b-0", Quote(value)));
      query.id = value;
    } else if (parameter == "status") {
      if (!twin::CommandStatusNamed(value))
        return Problem(400, fmt::format("status={} is none of sent, successful, failed, expired, "
                                        "timeout",
                                        Quote(value)));
      query.status = value;
    } else if (parameter != "twin" && parameter != "since" && parameter != "limit") {
      return Problem(
          400, fmt::format("no parameter {}; twin, id, status, since and limit", Quote(parameter)));
    }
    if (auto wrong = ReadHistoryParameter(sources, parameter, value, query)) return *wrong;
  }
  const auto limit = ReadCount(request, "limit", kListLimitDefault, kListLimitMax);
  if (!limit) return NoCount(request, "limit", kListLimitMax);
  query.limit = *limit;
  query.bytes_max = kListStateBytesMax;
  if (!sources.commands) return Problem(404, "this gateway keeps no history");
  Result<std::string> rows = sources.commands(query);
  return rows.ok() ? Json(*std::move(rows)) : Problem(503, rows.status().message());
}

// A page of another site may post text to us, but not JSON without asking first.
std::optional<Response> NoJson(const Request& request) {
  if (IsOfType(request.content_type, kJson)) return std::nullopt;
  return Problem(
      415, fmt::format("Content-Type {}; application/json is needed", Quote(request.content_type)));
}

Response SendCommand(const Sources& sources, const Request& request) {
  if (auto wrong = NoJson(request)) return *wrong;
  const auto model = FindModel(sources, request.path[3]);
  if (!model) return NoModel(request.path[3]);
  const auto order = twin::ReadOrder(request.body);
  if (!order.ok()) return Problem(400, order.status().message());
  if (!sources.send_command) return Problem(404, "this gateway sends no commands");
  Result<std::string> answer = sources.send_command({*model, request.path[4]}, *order);
  if (answer.ok()) return {.status = 202, .body = *std::move(answer)};
  const Status& status = answer.status();
  if (status.code() == Code::kInvalid) return Problem(409, status.message());
  return Problem(status.code() == Code::kNotFound ? 404 : 503, status.message());
}

// RFC 7396: what is not named stays, and null takes away.
Response PatchTwin(const Sources& sources, const Request& request) {
  if (!IsOfType(request.content_type, kMergePatch)) {
    if (auto wrong = NoJson(request)) return *wrong;
  }
  const std::string& name = request.path[3];
  const std::string& id = request.path[4];
  const auto model = FindModel(sources, name);
  if (!model) return NoModel(name);
  bool creates = false;
  for (const auto& [parameter, value] : request.query) {
    if (parameter != "create" || (value != "true" && value != "false"))
      return Problem(400, fmt::format("no parameter {}={}; create, which is true or false",
                                      Quote(parameter), Quote(value)));
    creates = value == "true";
  }
  nlohmann::json fields;
  const auto table = sources.world.models[*model].model->fields();
  if (const auto refused = twin::ReadProfileFields(request.body, table, fields))
    return Problem(400, refused->detail);
  if (!sources.set_profile) return Problem(404, "this gateway changes no profiles");
  const Result<bool> is_applied = sources.set_profile({*model, id}, fields, creates);
  if (!is_applied.ok()) {
    const Status& status = is_applied.status();
    if (status.code() == Code::kInvalid) return Problem(400, status.message());
    return Problem(status.code() == Code::kNotFound ? 404 : 503, status.message());
  }
  if (!*is_applied) return {.status = 202, .body = "{\"status\":\"recorded\"}\n"};
  Response twin = Twin(sources, request);
  if (twin.status != 404 || !creates) return twin;
  return Problem(409,
                 fmt::format("no twin {} was made: the gateway has as many as limits.twins_max "
                             "allows, or its model refuses it; {}/deadletter/# says why",
                             Quote(id), sources.world.root));
}

Response AckAlert(const Sources& sources, const Request& request) {
  if (auto wrong = NoJson(request)) return *wrong;
  const auto alert = ParseEffectId('a', request.path[3]);
  if (!alert) return NoAlertId(request.path[3]);
  const auto ack = twin::ReadAckText(request.body);
  if (!ack.ok()) return Problem(400, ack.status().message());
  if (!sources.acknowledge) return Problem(404, "this gateway takes no acknowledgements");
  Result<AckAnswer> answer = sources.acknowledge(*alert, *ack);
  if (answer.ok()) {
    Response response = Json(std::move(answer->json));
    if (!answer->is_applied) response.status = 202;
    return response;
  }
  const Status& status = answer.status();
  if (status.code() == Code::kInvalid) return Problem(409, status.message());
  return Problem(status.code() == Code::kNotFound ? 404 : 503, status.message());
}

Response WhyAlert(const Sources& sources, const Request& request) {
  const std::string& text = request.path[3];
  const auto alert = ParseEffectId('a', text);
  if (!alert) return NoAlertId(text);
  const auto records = ReadCount(request, "records", kWhyRecordsDefault, kWhyRecordsMax);
  if (!records) return NoCount(request, "records", kWhyRecordsMax);
  if (!sources.why) return Problem(404, "this gateway keeps no journal");
  Result<std::string> story = sources.why(*alert, *records);
  if (story.ok()) return Json(*std::move(story));
  const Status& status = story.status();
  return Problem(status.code() == Code::kNotFound ? 404 : 503, status.message());
}

}  // namespace

std::vector<Resource> MakeApi(Sources sources) {
  // Shared, because every resource's function is copied and all look at one set of sources.
  const auto shared = std::make_shared<const Sources>(std::move(sources));
  std::vector<Resource> api;
  const auto at = [&](std::string_view path, Runs runs, auto handle) {
    api.push_back({path, runs,
                   [shared, handle](const Request& request) { return handle(*shared, request); }});
  };
  at("/", Runs::kAtOnce, [](const Sources&, const Request&) {
    return Response{.content_type = "text/html; charset=utf-8", .body = std::string(kWelcome)};
  });
  at("/healthz", Runs::kAtOnce,
     [](const Sources&, const Request&) { return Json("{\"ok\":true}\n"); });
  at("/readyz", Runs::kAtOnce, [](const Sources& it, const Request&) { return Ready(it); });
  at("/metrics", Runs::kAtOnce, [](const Sources& it, const Request&) {
    return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                    .body = MetricsText(it)};
  });
  at("/api/v1/models", Runs::kAtOnce,
     [](const Sources& it, const Request&) { return Json(ListModels(it)); });
  at("/api/v1/twins/{}", Runs::kOnWorker, Twins);
  at("/api/v1/twins/{}/{}", Runs::kOnWorker, Twin);
  at("/api/v1/twins/{}/{}", Runs::kOnWorker, PatchTwin);
  api.back().answers = Answers::kPatch;
  at("/api/v1/twins/{}/{}/commands", Runs::kOnWorker, SendCommand);
  api.back().answers = Answers::kPost;
  at("/api/v1/alerts", Runs::kOnWorker, Alerts);
  at("/api/v1/alerts/history", Runs::kOnWorker, AlertHistory);
  at("/api/v1/commands", Runs::kOnWorker, Commands);
  at("/api/v1/alerts/{}/why", Runs::kOnWorker, WhyAlert);
  at("/api/v1/alerts/{}/ack", Runs::kOnWorker, AckAlert);
  api.back().answers = Answers::kPost;
  return api;
}

}  // namespace gemel::http
