#include "gateway/twin/side_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <absl/container/inlined_vector.h>
#include <nlohmann/json.hpp>

#include "gateway/base/json_text.h"
#include "gateway/effects/effect.h"

namespace gemel::twin {
namespace {

constexpr const char* kPerson = "person";
constexpr const char* kTopic = "topic";

int64_t Microseconds(Time time) { return time.time_since_epoch().count(); }

template <typename Number>
void AppendNumber(Number number, std::string& out) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// By the routes' names, so that a twin is written in one way only, whatever it heard of first.
template <typename Value, typename Visit>
void VisitByName(absl::InlinedVector<std::pair<uint16_t, Value>, 2>& values, const World& world,
                 const Visit& visit) {
  std::ranges::sort(values, {}, [&](const auto& value) -> std::string_view {
    return world.routes[value.first].name;
  });
  for (const auto& [route, value] : values) visit(world.routes[route].name, value);
}

template <typename Number>
void AppendRaw(Number number, std::vector<std::byte>& out) {
  const auto bytes = std::as_bytes(std::span(&number, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename Number>
bool TakeRaw(std::span<const std::byte>& from, Number& number) {
  if (from.size() < sizeof number) return false;
  std::memcpy(&number, from.data(), sizeof number);
  from = from.subspan(sizeof number);
  return true;
}

std::optional<uint16_t> RouteNamed(std::string_view name, const World& world) {
  const auto found = std::ranges::find(world.routes, name, &Route::name);
  if (found == world.routes.end()) return std::nullopt;
  return static_cast<uint16_t>(found - world.routes.begin());
}

// {"route":microseconds}, which nearly all twins have, without a parser. False if it is another
// text.
bool RestoreSeenByOne(std::string_view seen, const World& world, Twin& twin) {
  const size_t colon = seen.rfind("\":");
  if (!seen.starts_with("{\"") || colon == std::string_view::npos || colon < 2) return false;
  const std::string_view name = seen.substr(2, colon - 2);
  if (name.find_first_of("\"\\") != std::string_view::npos) return false;
  int64_t time = 0;
  const char* const from = seen.data() + colon + 2;
  const auto [end, error] = std::from_chars(from, seen.data() + seen.size(), time);
  if (error != std::errc() || std::string_view(end, seen.data() + seen.size()) != "}") return false;
  if (const auto route = RouteNamed(name, world)) twin.SeenBy(*route) = Time{Duration{time}};
  return true;
}

}  // namespace

void WriteSeen(const Twin& twin, const World& world, std::string& out) {
  absl::InlinedVector<std::pair<uint16_t, Time>, 2> seen;
  twin.ForEachSeen([&](uint16_t route, Time time) { seen.emplace_back(route, time); });
  out = '{';
  VisitByName(seen, world, [&](const std::string& route, Time time) {
    if (out.size() > 1) out += ',';
    AppendJsonText(route, out);
    out += ':';
    AppendNumber(Microseconds(time), out);
  });
  out += '}';
}

namespace {

void AppendAlert(const Alert& alert, std::string& out) {
  out += out.empty() ? '[' : ',';
  out += R"({"lsn":)";
  AppendNumber(alert.id.lsn, out);
  out += R"(,"ordinal":)";
  AppendNumber(alert.id.ordinal, out);
  out += R"(,"severity":)";
  AppendNumber(alert.severity, out);
  out += R"(,"severities":)";
  AppendNumber(uint32_t{alert.severities}, out);
  out += R"(,"code":)";
  AppendJsonText(alert.code, out);
  out += R"(,"message":)";
  AppendJsonText(alert.message, out);
  out += R"(,"first_us":)";
  AppendNumber(Microseconds(alert.first), out);
  out += R"(,"last_us":)";
  AppendNumber(Microseconds(alert.last), out);
  out += R"(,"count":)";
  AppendNumber(alert.count, out);
  // As text, because numbers would not come out of a parser as they went in.
  out += R"(,"properties":)";
  AppendJsonText(alert.properties, out);
  if (alert.ack) {
    out += R"(,"acked_by":)";
    AppendJsonText(alert.ack->by, out);
    out += R"(,"comment":)";
    AppendJsonText(alert.ack->comment, out);
    out += R"(,"acked_us":)";
    AppendNumber(Microseconds(alert.ack->time), out);
    out += R"(,"acked_severity":)";
    AppendNumber(alert.ack->severity, out);
  }
  if (!alert.is_active()) {
    out += R"(,"cleared_us":)";
    AppendNumber(Microseconds(alert.cleared), out);
  }
  out += '}';
}

// Throws what the parser does if a member is missing or of another type.
Alert ReadAlert(const nlohmann::json& from) {
  Alert alert{.id = {from.at("lsn").get<uint64_t>(), from.at("ordinal").get<uint32_t>()},
              .severity = from.at("severity").get<uint32_t>(),
              .severities = from.value("severities", uint8_t{0}),  // which earlier versions lack
              .code = from.at("code").get<std::string>(),
              .message = from.at("message").get<std::string>(),
              .properties = from.at("properties").get<std::string>(),
              .first = Time{Duration{from.at("first_us").get<int64_t>()}},
              .last = Time{Duration{from.at("last_us").get<int64_t>()}},
              .count = from.at("count").get<int64_t>()};
  if (from.contains("acked_us")) {
    alert.ack = Acknowledgement{.by = from.at("acked_by").get<std::string>(),
                                .comment = from.at("comment").get<std::string>(),
                                .time = Time{Duration{from.at("acked_us").get<int64_t>()}},
                                .severity = from.at("acked_severity").get<uint32_t>()};
  }
  if (from.contains("cleared_us"))
    alert.cleared = Time{Duration{from.at("cleared_us").get<int64_t>()}};
  return alert;
}

}  // namespace

void WriteAlerts(const Side* side, std::string& out) {
  out.clear();
  if (side == nullptr) return;
  for (const Alert& alert : side->alerts) AppendAlert(alert, out);
  for (const Alert& alert : side->cleared) AppendAlert(alert, out);
  if (!out.empty()) out += ']';
}

void WriteCommands(const Side* side, const World& world, std::string& out) {
  out.clear();
  if (side == nullptr) return;
  for (const Command& command : side->commands) {
    out += out.empty() ? '[' : ',';
    out += R"({"lsn":)";
    AppendNumber(command.id.lsn, out);
    out += R"(,"ordinal":)";
    AppendNumber(command.id.ordinal, out);
    out += R"(,"route":)";
    AppendJsonText(world.routes[command.route].name, out);
    out += R"(,"sent":)";
    AppendNumber(command.sent, out);
    out += R"(,"name":)";
    AppendJsonText(command.name, out);
    out += R"(,"arguments":)";
    AppendJsonText(command.arguments, out);
    out += R"(,"decided_us":)";
    AppendNumber(Microseconds(command.decided), out);
    out += R"(,"last_sent_us":)";
    AppendNumber(Microseconds(command.last_sent), out);
    if (command.expires != kNoTime) {
      out += R"(,"expires_us":)";
      AppendNumber(Microseconds(command.expires), out);
    }
    out += '}';
  }
  if (!out.empty()) out += ']';
}

void WriteTimers(const Twin& twin, const Timers& timers, const World& world, std::string& out) {
  out.clear();
  if (twin.timers() == Timers::kNone) return;
  const auto name_of = [&](const Timer& timer) { return world.timer_names->TextOf(timer.name); };
  absl::InlinedVector<Timer, 4> armed;
  timers.ForEach(twin, [&](const Timer& timer) {
    if (timer.is_of_model() || timer.is_of_feed()) armed.push_back(timer);
  });
  std::ranges::sort(armed, {}, name_of);
  for (const Timer& timer : armed) {
    out += out.empty() ? '[' : ',';
    out += R"({"name":)";
    AppendJsonText(name_of(timer), out);
    out += R"(,"due_us":)";
    // When a twin is looked at next is no part of it.
    AppendNumber(timer.is_of_model() ? Microseconds(timer.due) : 0, out);
    out += R"(,"every_us":)";
    AppendNumber(timer.every.count(), out);
    out += R"(,"lsn":)";
    AppendNumber(timer.cause.lsn, out);
    out += R"(,"ordinal":)";
    AppendNumber(timer.cause.ordinal, out);
    out += '}';
  }
  if (!out.empty()) out += ']';
}

// Of each route: its name behind its size in two bytes; of the window its kind in one, its position
// in eight, the number of its words in four, the words.
void WriteRepeats(const Side* side, const World& world, std::vector<std::byte>& out) {
  out.clear();
  if (side == nullptr) return;
  absl::InlinedVector<std::pair<uint16_t, const RepeatWindow*>, 2> repeats;
  for (const auto& [route, window] : side->repeats) repeats.emplace_back(route, &window);
  VisitByName(repeats, world, [&](const std::string& name, const RepeatWindow* window) {
    AppendRaw(static_cast<uint16_t>(name.size()), out);
    const auto text = std::as_bytes(std::span(name));
    out.insert(out.end(), text.begin(), text.end());
    AppendRaw(window->kind(), out);
    AppendRaw(window->next(), out);
    AppendRaw(static_cast<uint32_t>(window->words().size()), out);
    for (const uint64_t word : window->words()) AppendRaw(word, out);
  });
}

bool RestoreSeen(std::string_view seen, const World& world, Twin& twin) {
  if (RestoreSeenByOne(seen, world, twin)) return true;
  const auto json = nlohmann::json::parse(seen, nullptr, false);
  if (!json.is_object()) return false;
  for (const auto& item : json.items()) {
    if (!item.value().is_number_integer()) return false;
    if (const auto route = RouteNamed(item.key(), world))
      twin.SeenBy(*route) = Time{Duration{item.value().get<int64_t>()}};
  }
  return true;
}

bool RestoreAlerts(std::string_view alerts, Twin& twin) {
  if (alerts.empty()) return true;
  const auto json = nlohmann::json::parse(alerts, nullptr, false);
  if (!json.is_array()) return false;
  Side& side = twin.MakeSide();
  try {
    for (const auto& from : json) {
      Alert alert = ReadAlert(from);
      if (alert.severity < GEMEL_CRITICAL || alert.severity > GEMEL_INFO) return false;
      alert.severities |= effects::SeverityBit(alert.severity);
      if (!alert.is_active() && alert.ack) continue;  // of which nothing is to come any more
      (alert.is_active() ? side.alerts : side.cleared).push_back(std::move(alert));
    }
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  return true;
}

bool RestoreCommands(std::string_view commands, const World& world, Twin& twin) {
  if (commands.empty()) return true;
  const auto json = nlohmann::json::parse(commands, nullptr, false);
  if (!json.is_array()) return false;
  const auto time_of = [](const nlohmann::json& from) {
    return Time{Duration{from.get<int64_t>()}};
  };
  try {
    for (const auto& from : json) {
      Command command{.id = {from.at("lsn").get<Lsn>(), from.at("ordinal").get<uint32_t>()},
                      .sent = from.at("sent").get<uint32_t>(),
                      .name = from.at("name").get<std::string>(),
                      .arguments = from.at("arguments").get<std::string>(),
                      .decided = time_of(from.at("decided_us")),
                      .last_sent = time_of(from.at("last_sent_us"))};
      if (from.contains("expires_us")) command.expires = time_of(from.at("expires_us"));
      const auto route = RouteNamed(from.at("route").get_ref<const std::string&>(), world);
      // Nobody answers on a route that is no more.
      if (!route || !world.routes[*route].is_answered) continue;
      command.route = *route;
      twin.MakeSide().commands.push_back(std::move(command));
    }
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  return true;
}

void WriteTold(const Side* side, std::string& out) {
  out.clear();
  if (side == nullptr || side->told.empty()) return;
  auto told = nlohmann::json::object();
  for (const auto& [field, teller] : side->told)
    told[field] = teller == Teller::kPerson ? kPerson : kTopic;
  out = told.dump();
}

bool RestoreTold(std::string_view text, Twin& twin) {
  if (text.empty()) return true;
  const auto told = nlohmann::json::parse(text, nullptr, false);
  if (!IsTold(told)) return false;
  for (const auto& [field, teller] : told.items())
    twin.MakeSide().told[field] = teller == kPerson ? Teller::kPerson : Teller::kTopic;
  return true;
}

bool IsTold(const nlohmann::json& told) {
  return told.is_object() && std::ranges::all_of(told, [](const nlohmann::json& teller) {
           return teller == kPerson || teller == kTopic;
         });
}

bool RestoreTimers(std::string_view text, const World& world, uint16_t model, Timers& timers,
                   Twin& twin) {
  if (text.empty()) return true;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return false;
  try {
    for (const auto& from : json) {
      const auto& text_of_name = from.at("name").get_ref<const std::string&>();
      const bool is_of_feed = text_of_name.empty();
      const std::optional<Symbol> name =
          is_of_feed ? Timer::kSilence : world.timer_names->Intern(text_of_name);
      const Timer timer{.name = name.value_or(Symbol{}),
                        .due = Time{Duration{from.at("due_us").get<int64_t>()}},
                        .every = Duration{from.at("every_us").get<int64_t>()},
                        .cause = {from.at("lsn").get<Lsn>(), from.at("ordinal").get<uint32_t>()}};
      const bool is_timer = (is_of_feed ? timer.is_of_feed() && timer.every <= Timer::kAsks
                                        : timer.name.has_value()) &&
                            timer.every >= Duration::zero() &&
                            timers.Find(twin, timer.name) == Timers::kNone;
      if (!is_timer) return false;
      timers.Arm(twin, model, timer);
    }
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  return true;
}

bool RestoreRepeats(std::span<const std::byte> repeats, const World& world, Twin& twin) {
  while (!repeats.empty()) {
    uint16_t name_size = 0;
    if (!TakeRaw(repeats, name_size) || repeats.size() < name_size) return false;
    const std::string_view name(reinterpret_cast<const char*>(repeats.data()), name_size);
    repeats = repeats.subspan(name_size);
    auto kind = RepeatWindow::Kind::kUnused;
    uint64_t next = 0;
    uint32_t count = 0;
    if (!TakeRaw(repeats, kind) || kind > RepeatWindow::Kind::kNumbers) return false;
    if (!TakeRaw(repeats, next) || !TakeRaw(repeats, count)) return false;
    if (repeats.size() / sizeof(uint64_t) < count) return false;
    std::vector<uint64_t> words(count);
    if (count > 0) std::memcpy(words.data(), repeats.data(), count * sizeof(uint64_t));
    repeats = repeats.subspan(count * sizeof(uint64_t));
    if (const auto route = RouteNamed(name, world))
      twin.MakeSide().RepeatsOf(*route) = RepeatWindow(kind, next, std::move(words));
  }
  return true;
}

}  // namespace gemel::twin
