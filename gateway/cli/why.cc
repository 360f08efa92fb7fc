#include "gateway/cli/why.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/lsn.h"
#include "gateway/base/time_text.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/load_world.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/twins.h"
#include "gateway/playback/recording.h"
#include "gateway/playback/why.h"

namespace gemel::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kWhyFooter =
    "The alert's id stands in its payload and in `gemel get`. The gateway folds the twin once more "
    "from its\njournal, so it knows as far back as journal.retention keeps it. With --recording it "
    "is told from a folder of\n`gemel record`, without a gateway.\n\nExample: gemel why a-1a2b-0";

// The time of day, behind the date where that is another one than `on`'s.
std::string Moment(const Json& ms, const Json& on = Json()) {
  if (!ms.is_number_integer()) return "-";
  const int64_t us = ms.get<int64_t>() * 1'000;
  if (us < kTimeMinUs || us > kTimeMaxUs) return "-";
  std::string text = FormatIsoTime(us);
  text[text.find('T')] = ' ';
  if (text.ends_with('Z')) text.pop_back();
  if (on.is_null()) return text + " UTC";
  constexpr size_t kDate = 11;
  return text.substr(0, kDate) == Moment(on).substr(0, kDate) ? text.substr(kDate) : text;
}

// As people read it: no more digits than a gauge has, yes and no, a unit behind it.
std::string Value(const Json& value, const std::string& type, const std::string& unit) {
  if (value.is_null()) return "unknown";
  if (type == "time") return Moment(value);
  std::string text = value.is_boolean()        ? (value.get<bool>() ? "yes" : "no")
                     : value.is_number_float() ? fmt::format("{:.6g}", value.get<double>())
                                               : Cell(value);
  if (unit == "degC") return text + " °C";
  return unit.empty() ? text : text + " " + unit;
}

std::string Turn(const Json& change) {
  const auto type = change.at("type").get<std::string>();
  const auto unit = change.at("unit").get<std::string>();
  return fmt::format("{} → {}", Value(change.at("before"), type, unit),
                     Value(change.at("after"), type, unit));
}

void PrintHead(const Json& story) {
  fmt::print("{}/{}: {} ({}), raised {}\n  {}\n", Cell(story.at("model")), Cell(story.at("twin")),
             Cell(story.at("code")), Cell(story.at("severity")), Moment(story.at("raised_ms")),
             Cell(story.at("message")));
  for (const auto& property : story.at("properties").items())
    fmt::print("  {}: {}\n", Cell(property.key()), Value(property.value(), "", ""));
}

void PrintJudgements(const Json& story) {
  const Json& judgements = story.at("judgements");
  if (judgements.empty()) return;
  fmt::print("\nHow it came to this:\n");
  Table table({"  AT", "WHAT", "", "MEANING"});
  for (const Json& change : judgements) {
    table.Add({"  " + Moment(change.at("event_time_ms"), story.at("raised_ms")),
               Cell(change.at("name")), Turn(change), Cell(change.at("meaning"))});
  }
  fmt::print("{}", table.Text(0));
}

// The readings that the alert speaks of, message by message. Any of them that changed, where it
// speaks of none.
std::vector<std::string> ReadingsInQuestion(const Json& story) {
  std::vector<std::string> names;
  for (const auto& field : story.at("state_after").items()) {
    if (story.at("properties").contains(field.key())) names.push_back(field.key());
  }
  if (!names.empty()) return names;
  for (const Json& change : story.at("record").at("changes")) {
    constexpr size_t kColumnsMax = 4;
    if (change.at("source") != "model" && names.size() < kColumnsMax)
      names.push_back(change.at("name").get<std::string>());
  }
  return names;
}

void PrintReadings(const Json& story) {
  const std::vector<std::string> names = ReadingsInQuestion(story);
  if (names.empty() || story.at("before").empty()) return;
  std::vector<Json> records(story.at("before").begin(), story.at("before").end());
  records.push_back(story.at("record"));
  // From the last one back, because the state is known at the end.
  std::map<std::string, Json> values;
  std::map<std::string, std::pair<std::string, std::string>> kinds;  // type and unit
  for (const std::string& name : names) values[name] = story.at("state_after").at(name);
  std::vector<std::vector<std::string>> rows;
  std::ranges::reverse(records);
  for (const Json& record : records) {
    for (const Json& change : record.at("changes"))
      kinds[change.at("name")] = {change.at("type"), change.at("unit")};
    std::vector<std::string> row = {"  " +
                                    Moment(record.at("event_time_ms"), story.at("raised_ms"))};
    for (const std::string& name : names)
      row.push_back(Value(values[name], kinds[name].first, kinds[name].second));
    rows.push_back(std::move(row));
    for (const Json& change : record.at("changes")) {
      if (const auto known = values.find(change.at("name")); known != values.end())
        known->second = change.at("before");
    }
  }
  std::vector<std::string> header = {"  AT"};
  header.insert(header.end(), names.begin(), names.end());
  Table table(header);
  std::ranges::reverse(rows);
  for (std::vector<std::string>& row : rows) table.Add(std::move(row));
  fmt::print("\nThe last {} of {} messages, the last one raised it:\n{}", records.size(),
             story.at("records_before").get<uint64_t>() + 1, table.Text(0));
}

void PrintConclusions(const Json& story) {
  std::vector<Json> concluded;
  for (const Json& change : story.at("record").at("changes")) {
    const bool is_word =
        change.at("type") == "bool" || change.at("type") == "symbol" || change.at("type") == "text";
    if (change.at("source") == "model" && is_word) concluded.push_back(change);
  }
  const Json& says = story.at("record").at("says");
  if (concluded.empty() && says.empty()) return;
  fmt::print("\nWhat the model concluded from it:\n");
  for (const Json& change : concluded) {
    fmt::print("  {}: {}  ({})\n", Cell(change.at("name")), Turn(change),
               Cell(change.at("meaning")));
  }
  for (const Json& line : says) fmt::print("  It says: {}\n", Cell(line));
}

void PrintEffects(const Json& record) {
  for (const Json& effect : record.at("effects")) {
    const Json& payload = effect.at("payload");
    if (!payload.is_object()) continue;
    if (effect.at("kind") == "command") {
      fmt::print("  The device was told: {}", Cell(payload.value("name", Json())));
      const Json arguments = payload.value("args", Json::object());
      for (const auto& argument : arguments.items())
        fmt::print(", {} {}", Cell(argument.key()), Value(argument.value(), "", ""));
      fmt::print("\n");
    } else if (effect.at("kind") == "alert") {
      fmt::print("  The operators were told: {} ({}, {})\n", Cell(payload.value("code", Json())),
                 Cell(payload.value("severity", Json())), Cell(payload.value("status", Json())));
    }
  }
}

void PrintSince(const Json& story) {
  const Json& since = story.at("since");
  const int64_t count = since.value("count", int64_t{1});
  if (count > 1)
    fmt::print("  Raised {} times, last {}.\n", count,
               Moment(since.at("last_ms"), story.at("raised_ms")));
  if (since.at("severity") != story.at("severity"))
    fmt::print("  Its severity became {}.\n", Cell(since.at("severity")));
  if (since.at("cleared_ms").is_null()) {
    fmt::print("  It is still active.\n");
  } else {
    fmt::print("  Cleared {}.\n", Moment(since.at("cleared_ms"), story.at("raised_ms")));
  }
}

void PrintModel(const Json& story) {
  fmt::print("Model {} (plug-in {:.12}): {}\n", Cell(story.at("model")),
             story.at("plugin_sha256").get<std::string>(), Cell(story.at("model_meaning")));
}

void PrintSources(const Json& story) {
  const Json& record = story.at("record");
  if (!record.at("timer").is_null()) {
    fmt::print("\nRecord {}, the timer {}, due {}, fired {}\n", Cell(record.at("lsn")),
               Cell(record.at("timer")), Moment(record.at("event_time_ms")),
               Moment(record.at("time_ms")));
    PrintModel(story);
    return;
  }
  fmt::print(
      "\nRecord {}, route {}, taken in {}, measured {}:\n  {}\n", Cell(record.at("lsn")),
      Cell(record.at("route")), Moment(record.at("time_ms")), Moment(record.at("event_time_ms")),
      record.at("payload").is_null() ? fmt::format("{} bytes", record.at("payload_bytes").dump())
                                     : Cell(record.at("payload")));
  PrintModel(story);
}

void Print(const Json& story, bool with_state) {
  PrintHead(story);
  PrintJudgements(story);
  PrintReadings(story);
  PrintConclusions(story);
  fmt::print("\nWhat came of it:\n");
  PrintEffects(story.at("record"));
  PrintSince(story);
  if (with_state) {
    fmt::print("\nAll that the twin knew then:\n");
    for (const auto& field : story.at("state_after").items())
      fmt::print("  {}: {}\n", field.key(), Cell(field.value()));
  }
  PrintSources(story);
}

Result<Json> TellFromRecording(const std::string& folder, EffectId alert, size_t records) {
  if (!playback::IsRecording(folder)) return Invalid(fmt::format("{}: it is no recording", folder));
  GEMEL_TRY(playback::CheckRecording(folder));
  const playback::RecordingPaths paths(folder);
  GEMEL_TRY_LET(const auto world, LoadWorld(paths.configuration, {}, config::DefaultShards(), {}));
  playback::History history{.journal = paths.journal, .bases = {}};
  GEMEL_TRY_LET(const auto base, playback::BaseOf(folder));
  if (base) history.bases.push_back(*base);
  return playback::Why(alert, history, world->compiled->world, records);
}

}  // namespace

int WhyMain(int count, const char* const* arguments) {
  CLI::App app("Tells what led to an alert.", "gemel why");
  app.footer(kWhyFooter);
  std::string server;
  std::string text;
  std::string recording;
  size_t records = http::kWhyRecordsDefault;
  bool is_json = false;
  bool with_state = false;
  app.add_option("ALERT-ID", text, "Like a-1a2b-0")->required();
  AddServerOption(app, server);
  app.add_option("--recording", recording, "Folder of a recording, instead of a gateway");
  app.add_option("--records", records, "How many messages before it are told")
      ->check(CLI::Range(size_t{1}, http::kWhyRecordsMax))
      ->capture_default_str();
  app.add_flag("--state", with_state, "Show every field of the twin");
  app.add_flag("--json", is_json, "Print one object");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto alert = ParseEffectId('a', text);
  if (!alert) {
    return Fail(kUsage,
                fmt::format("why: {}: an alert's id is like a-1a2b-0", Cell(Json(text))).c_str());
  }
  Json story;
  if (recording.empty()) {
    auto reply = Client(server).Get(fmt::format("/api/v1/alerts/{}/why?records={}", text, records));
    if (!reply.ok()) return Fail(reply.status());
    story = std::move(reply->json);
  } else {
    auto told = TellFromRecording(recording, *alert, records);
    if (!told.ok()) {
      return Fail(told.status().code() == Code::kNotFound ? kNo : kFailed,
                  ("why: " + told.status().message()).c_str());
    }
    story = *std::move(told);
  }
  if (is_json) {
    fmt::print("{}\n", story.dump(2, ' ', false, Json::error_handler_t::replace));
    return kDone;
  }
  try {
    Print(story, with_state);
  } catch (const Json::exception&) {
    return Fail(kFailed, "why: the answer is no story that this program can tell; --json shows it");
  }
  return kDone;
}

}  // namespace gemel::cli
