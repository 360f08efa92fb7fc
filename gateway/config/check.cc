#include "gateway/config/check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/quantity.h"
#include "gateway/base/quote.h"
#include "gateway/config/endpoint.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

// Models of twins that the gateway itself feeds.
constexpr std::string_view kReservedModels[] = {"feed", "incident", "aggregate", "gateway"};
// A model is a table in SQL.
constexpr size_t kModelNameBytesMax = 64;
// So that a mailbox of the smallest size still takes in more than one message.
constexpr uint64_t kPayloadsPerMailbox = 16;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool IsModelName(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return name.size() <= kModelNameBytesMax && !name.empty() && is_letter(name.front()) &&
         std::ranges::all_of(
             name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// RFC 6901: empty, or levels that start with /, in which ~ is written ~0 and / is ~1.
bool IsJsonPointer(std::string_view text) {
  if (!text.empty() && text.front() != '/') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '~') continue;
    if (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1')) return false;
  }
  return true;
}

Status CheckTls(const Mqtt& mqtt, const Origin& origin) {
  const struct {
    std::string_view key;
    bool is_set;
  } keys[] = {{"mqtt.ca_file", !mqtt.ca_file.empty()},
              {"mqtt.certificate_file", !mqtt.certificate_file.empty()},
              {"mqtt.key_file", !mqtt.key_file.empty()}};
  for (const auto& [key, is_set] : keys) {
    if (is_set && !IsTls(mqtt.uri)) {
      return origin.Wrong(
          key,
          fmt::format("needs TLS, but mqtt.uri is {}; mqtts://host:port has it", Quote(mqtt.uri)));
    }
  }
  if (mqtt.certificate_file.empty() != mqtt.key_file.empty()) {
    return origin.Wrong(mqtt.key_file.empty() ? "mqtt.certificate_file" : "mqtt.key_file",
                        "certificate_file and key_file are needed together");
  }
  return {};
}

Status CheckMqtt(const Mqtt& mqtt, const Origin& origin) {
  if (const auto broker = ParseBrokerUri(mqtt.uri); !broker.ok()) {
    return origin.Wrong("mqtt.uri", broker.status().message());
  }
  if (std::ranges::any_of(mqtt.client_id, IsControl)) {
    return origin.Wrong("mqtt.client_id", Quote(mqtt.client_id) + " holds control characters");
  }
  const bool has_password = !mqtt.password.empty() || !mqtt.password_file.empty();
  if (!mqtt.password.empty() && !mqtt.password_file.empty()) {
    return origin.Wrong("mqtt.password_file", "password is given too; only one of them");
  }
  if (has_password && mqtt.username.empty() && mqtt.version == MqttVersion::k311) {
    return origin.Wrong("mqtt.username", "MQTT 3.1.1 allows no password without it");
  }
  if (mqtt.reconnect_min > mqtt.reconnect_max) {
    return origin.Wrong("mqtt.reconnect_min", fmt::format("{} is above mqtt.reconnect_max ({})",
                                                          FormatDuration(mqtt.reconnect_min),
                                                          FormatDuration(mqtt.reconnect_max)));
  }
  return CheckTls(mqtt, origin);
}

Status CheckRoot(const std::string& root, const Origin& origin) {
  const bool is_bad = root.front() == '/' || root.back() == '/' || root.front() == '$' ||
                      root.find("//") != std::string::npos ||
                      root.find_first_of("+#") != std::string::npos ||
                      std::ranges::any_of(root, IsControl);
  if (!is_bad) return {};
  return origin.Wrong("root", Quote(root) +
                                  " is no prefix of topics; levels that are not empty, without + # "
                                  "and control characters, the first without $");
}

Status CheckModels(const std::vector<Model>& models, const Origin& origin) {
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string& name = models[i].name;
    const std::string path = Joined(Joined("models", i), "name");
    if (!IsModelName(name)) {
      return origin.Wrong(path, Quote(name) +
                                    " is not allowed; a letter, then letters, digits and "
                                    "underscores, at most 64");
    }
    if (std::ranges::find(kReservedModels, Lower(name)) != std::end(kReservedModels)) {
      return origin.Wrong(path, fmt::format("{} is reserved, as are {}", Quote(name),
                                            fmt::join(kReservedModels, ", ")));
    }
    if (models[i].plugin.empty() == models[i].script.empty()) {
      return origin.Wrong(Joined(Joined("models", i), "plugin"),
                          models[i].plugin.empty() ? "missing; a model has a plugin or a script"
                                                   : "script is given too; only one of them");
    }
    for (size_t earlier = 0; earlier < i; ++earlier) {
      if (Lower(models[earlier].name) != Lower(name)) continue;  // SQL knows no case
      return origin.Wrong(path,
                          fmt::format("{} is also the name of models[{}]", Quote(name), earlier));
    }
  }
  return {};
}

// The checks of one route.
class RouteCheck {
 public:
  RouteCheck(const Config& config, size_t index, const Origin& origin)
      : config_(config),
        route_(config.routes[index]),
        index_(index),
        path_(Joined("routes", index)),
        origin_(origin) {}

  Status Run() const {
    GEMEL_TRY(CheckModel());
    GEMEL_TRY(CheckName());
    GEMEL_TRY(CheckFeedWatch());
    GEMEL_TRY(CheckPointers());
    GEMEL_TRY(CheckText());
    if (route_.id && !route_.trusted_source) {
      return Wrong("id",
                   "needs \"trusted_source\": true, because the broker can't check who speaks "
                   "for whom in a payload");
    }
    if (route_.message_id && route_.sequence) {
      return Wrong("sequence", "message_id is given too; only one of them");
    }
    if (route_.repeat_window < config_.mqtt.receive_maximum) {
      return Wrong("repeat_window",
                   fmt::format("{} is below mqtt.receive_maximum ({}), so a repeat could be missed",
                               route_.repeat_window, config_.mqtt.receive_maximum));
    }
    if (!route_.command_ack.empty() && route_.command.empty()) {
      return Wrong("command_ack", "needs command: without it there is nothing to answer");
    }
    if (route_.command_retry && route_.command_ack.empty()) {
      return Wrong("command_retry",
                   "needs command_ack: without it nobody says that a command has come");
    }
    return {};
  }

 private:
  // `place` is a path below the route.
  Status Wrong(std::string_view place, std::string_view message) const {
    return origin_.Wrong(fmt::format("{}.{}", path_, place), message);
  }

  Status CheckModel() const {
    std::vector<std::string> names;
    for (const Model& model : config_.models) names.push_back(model.name);
    if (std::ranges::find(names, route_.model) != names.end()) return {};
    return Wrong("model", fmt::format("{} is none of models{}", Quote(route_.model),
                                      Suggestion(route_.model, names)));
  }

  Status CheckFeedWatch() const {
    if (!route_.feed_watch) return {};
    if (!route_.offline_after)
      return Wrong("feed_watch", "offline_after is missing, without which no twin falls silent");
    if (route_.feed_watch->within <= *route_.offline_after) return {};
    return Wrong("feed_watch.within", fmt::format("{} is above offline_after ({})",
                                                  FormatDuration(route_.feed_watch->within),
                                                  FormatDuration(*route_.offline_after)));
  }

  // The name becomes the id of the route's feed and so obeys the rules of ids.
  Status CheckName() const {
    const std::string& name = route_.name;
    if (name.size() > kIdBytesMax) {
      return Wrong("name", fmt::format("{} has {} bytes; at most {}, give the route a shorter name",
                                       Quote(name), name.size(), kIdBytesMax));
    }
    if (name.find_first_of("/+#") != std::string::npos || std::ranges::any_of(name, IsControl)) {
      return Wrong("name", Quote(name) + " is not allowed; no / + # and control characters");
    }
    for (size_t earlier = 0; earlier < index_; ++earlier) {
      if (config_.routes[earlier].name != name) continue;
      return Wrong("name", fmt::format("{} is also the name of routes[{}]", Quote(name), earlier));
    }
    return {};
  }

  Status CheckPointer(std::string_view key, std::string_view pointer) const {
    std::string_view below = pointer;
    if (below.starts_with('^')) {
      if (!route_.items) {
        return Wrong(key, Quote(pointer) + " starts with ^, which only has a meaning with items");
      }
      below.remove_prefix(1);
    }
    if (IsJsonPointer(below)) return {};
    return Wrong(key,
                 Quote(pointer) + " is no JSON pointer; it starts with /, like \"/engine/oil\"");
  }

  Status CheckPointers() const {
    if (route_.items && !IsJsonPointer(*route_.items)) {
      return Wrong("items", Quote(*route_.items) + " is no JSON pointer; it starts with /");
    }
    if (route_.id) GEMEL_TRY(CheckPointer("id", *route_.id));
    if (route_.time) GEMEL_TRY(CheckPointer("time", *route_.time));
    if (route_.message_id) GEMEL_TRY(CheckPointer("message_id", *route_.message_id));
    if (route_.sequence) GEMEL_TRY(CheckPointer("sequence", *route_.sequence));
    for (const FieldSource& field : route_.fields) {
      if (field.name.empty() || field.name.size() > kFieldNameBytesMax) {
        return Wrong("fields", fmt::format("{} is no field; 1 to {} bytes", Quote(field.name),
                                           kFieldNameBytesMax));
      }
      GEMEL_TRY(CheckPointer(Joined("fields", field.name), field.at));
    }
    return {};
  }

  // A text payload is one bare value: nothing can be pointed at in it.
  Status CheckText() const {
    if (route_.payload != Payload::kText) {
      return route_.field.empty() ? Status::Ok()
                                  : Wrong("field", "only has a meaning with \"payload\": \"text\"");
    }
    if (route_.field.empty() && route_.topic.find("{field}") == std::string::npos) {
      return Wrong("field", "missing: it names the field that a text payload fills");
    }
    const struct {
      std::string_view key;
      bool is_set;
    } keys[] = {{"id", route_.id.has_value()},
                {"time", route_.time.has_value()},
                {"message_id", route_.message_id.has_value()},
                {"sequence", route_.sequence.has_value()},
                {"items", route_.items.has_value()}};
    for (const auto& [key, is_set] : keys) {
      if (is_set) return Wrong(key, "a text payload is one value, with nothing else in it");
    }
    for (const FieldSource& field : route_.fields) {
      if (field.at.empty() && (route_.field.empty() || field.name == route_.field)) continue;
      return Wrong(Joined("fields", field.name),
                   "a text payload fills only \"field\", from the pointer \"\"");
    }
    return {};
  }

  const Config& config_;
  const Route& route_;
  size_t index_;
  std::string path_;
  const Origin& origin_;
};

Status CheckLimits(const Limits& limits, const Origin& origin) {
  const std::string mailbox = FormatSize(limits.mailbox);
  if (!std::has_single_bit(limits.mailbox)) {
    return origin.Wrong("limits.mailbox", mailbox + " is no power of two");
  }
  if (limits.mailbox < kPayloadsPerMailbox * limits.payload_max) {
    return origin.Wrong("limits.mailbox",
                        fmt::format("{} is below {} times limits.payload_max ({})", mailbox,
                                    kPayloadsPerMailbox, FormatSize(limits.payload_max)));
  }
  return {};
}

}  // namespace

Status Check(const Config& config, const Origin& origin) {
  GEMEL_TRY(CheckMqtt(config.mqtt, origin));
  GEMEL_TRY(CheckRoot(config.root, origin));
  GEMEL_TRY(CheckModels(config.models, origin));
  for (size_t i = 0; i < config.routes.size(); ++i) GEMEL_TRY(RouteCheck(config, i, origin).Run());
  return CheckLimits(config.limits, origin);
}

void AddNotes(Config& config) {
  if (config.routes.empty())
    config.notes.emplace_back("routes is empty, so no telemetry is received");
  if (IsTls(config.mqtt.uri) && !config.mqtt.verify_server) {
    config.notes.emplace_back("mqtt.verify_server is false, so anybody can pass for the broker");
  }
  for (size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    if (route.qos > 0 && !route.message_id && !route.sequence) {
      config.notes.push_back(
          fmt::format("routes[{}] names neither message_id nor sequence, so a message that the "
                      "broker sends twice is applied twice",
                      i));
    }
    if (route.qos == 2 && config.mqtt.version == MqttVersion::k311) {
      config.notes.push_back(
          fmt::format("routes[{}].qos is 2, but with MQTT 3.1.1 the gateway subscribes with 1", i));
    }
  }
}

}  // namespace gemel::config
