#include "gateway/config/read.h"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "gateway/base/quantity.h"
#include "gateway/config/endpoint.h"
#include "gateway/config/words.h"

namespace gemel::config {
namespace {

using nlohmann::json;
using std::filesystem::path;

template <typename E>
struct Choice {
  std::string_view name;
  E value;
};

constexpr Choice<MqttVersion> kMqttVersions[] = {{"5", MqttVersion::k5},
                                                 {"3.1.1", MqttVersion::k311}};
constexpr Choice<Payload> kPayloads[] = {{"json", Payload::kJson},
                                         {"text", Payload::kText},
                                         {"cbor", Payload::kCbor},
                                         {"msgpack", Payload::kMsgpack}};
constexpr Choice<TimeFormat> kTimeFormats[] = {{"s", TimeFormat::kSeconds},
                                               {"ms", TimeFormat::kMilliseconds},
                                               {"us", TimeFormat::kMicroseconds},
                                               {"iso", TimeFormat::kIso}};
constexpr Choice<Late> kLates[] = {{"newest-wins", Late::kNewestWins}, {"drop", Late::kDrop}};
constexpr Choice<Overload> kOverloads[] = {{"block", Overload::kBlock}, {"drop", Overload::kDrop}};
constexpr Choice<WhenFull> kWhenFulls[] = {{"hold", WhenFull::kHold},
                                           {"drop-oldest", WhenFull::kDropOldest}};
constexpr Choice<gemel_severity> kSeverities[] = {{"critical", GEMEL_CRITICAL},
                                                  {"major", GEMEL_MAJOR},
                                                  {"minor", GEMEL_MINOR},
                                                  {"warning", GEMEL_WARNING},
                                                  {"info", GEMEL_INFO}};
constexpr Choice<LogLevel> kLogLevels[] = {{"debug", LogLevel::kDebug},
                                           {"info", LogLevel::kInfo},
                                           {"warn", LogLevel::kWarn},
                                           {"error", LogLevel::kError}};
constexpr Choice<LogFormat> kLogFormats[] = {{"text", LogFormat::kText},
                                             {"json", LogFormat::kJson}};

// One object of the document. Each getter returns `fallback` where the key is absent or null.
class Section {
 public:
  Section(const json& object, const path& base_dir) : object_(object), base_dir_(base_dir) {}

  const json* Find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  // An empty one if there is none.
  Section Sub(const char* key) const {
    static const json kEmpty = json::object();
    const json* const found = Find(key);
    return {found == nullptr ? kEmpty : *found, base_dir_};
  }

  std::string Text(const char* key, const std::string& fallback = {}) const {
    const json* const found = Find(key);
    return found == nullptr ? fallback : found->get<std::string>();
  }

  std::optional<std::string> Pointer(const char* key) const {
    const json* const found = Find(key);
    return found == nullptr ? std::nullopt : std::optional(found->get<std::string>());
  }

  bool Flag(const char* key, bool fallback) const {
    const json* const found = Find(key);
    return found == nullptr ? fallback : found->get<bool>();
  }

  template <typename T>
  requires std::is_arithmetic_v<T> T Number(const char* key, T fallback)
  const {
    const json* const found = Find(key);
    return found == nullptr ? fallback : found->get<T>();
  }

  template <typename D>
  D Duration(const char* key, D fallback) const {
    const json* const found = Find(key);
    if (found == nullptr) return fallback;
    return std::chrono::duration_cast<D>(*ParseDuration(found->get<std::string>()));
  }

  uint64_t Size(const char* key, uint64_t fallback) const {
    const json* const found = Find(key);
    return found == nullptr ? fallback : *ParseSize(found->get<std::string>());
  }

  template <typename E, size_t N>
  E OneOf(const char* key, const Choice<E> (&choices)[N], E fallback) const {
    const json* const found = Find(key);
    if (found == nullptr) return fallback;
    const auto it = std::ranges::find(choices, found->get<std::string>(), &Choice<E>::name);
    GEMEL_ASSERT(it != std::end(choices));  // the schema names the same
    return it->value;
  }

  path File(const char* key, const path& fallback = {}) const {
    const json* const found = Find(key);
    return found == nullptr ? fallback : Resolve(found->get<std::string>());
  }

  path Resolve(const std::string& text) const {
    return text.empty() ? path() : (base_dir_ / text).lexically_normal();
  }

 private:
  const json& object_;
  const path& base_dir_;
};

Mqtt ReadMqtt(const Section& section) {
  const Mqtt base;
  return {
      .uri = section.Text("uri", base.uri),
      .client_id = section.Text("client_id", base.client_id),
      .version = section.OneOf("version", kMqttVersions, base.version),
      .keepalive = section.Duration("keepalive", base.keepalive),
      .session_expiry = section.Duration("session_expiry", base.session_expiry),
      .receive_maximum = section.Number("receive_maximum", base.receive_maximum),
      .username = section.Text("username"),
      .password = section.Text("password"),
      .password_file = section.File("password_file"),
      .ca_file = section.File("ca_file"),
      .certificate_file = section.File("certificate_file"),
      .key_file = section.File("key_file"),
      .verify_server = section.Flag("verify_server", base.verify_server),
      .reconnect_min = section.Duration("reconnect_min", base.reconnect_min),
      .reconnect_max = section.Duration("reconnect_max", base.reconnect_max),
      .backlog_wait = section.Duration("backlog_wait", base.backlog_wait),
  };
}

Model ReadModel(const Section& section) {
  Model model{
      .name = section.Text("name"),
      .plugin = section.Text("plugin"),
      .script = section.File("script"),
      .profile = section.File("profile"),
      .profile_topic = section.Text("profile_topic"),
      .parameters = "{}",
      .tables = {},
  };
  if (const json* const parameters = section.Find("parameters"))
    model.parameters = parameters->dump();
  if (const json* const tables = section.Find("tables")) {
    for (const auto& item : tables->items()) {
      model.tables.emplace(item.key(), section.Resolve(item.value().get<std::string>()));
    }
  }
  return model;
}

MappedValue ReadMapped(const json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>();
  // An integer beyond int64 is nothing that a field can hold; as a double it is at least near.
  const bool is_int64 = value.is_number_integer() &&
                        !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX);
  if (is_int64) return value.get<int64_t>();
  return value.get<double>();
}

FieldSource ReadField(const std::string& name, const json& value, const path& base_dir) {
  if (value.is_string()) {
    return {.name = name, .at = value.get<std::string>(), .unit = {}, .values = {}};
  }
  const Section section(value, base_dir);
  FieldSource field{
      .name = name, .at = section.Text("at"), .unit = section.Text("unit"), .values = {}};
  if (const json* const values = section.Find("values")) {
    for (const auto& item : values->items())
      field.values.emplace(item.key(), ReadMapped(item.value()));
  }
  return field;
}

Route ReadRoute(const Section& section, const path& base_dir, uint32_t receive_maximum) {
  const Route base;
  Route route{
      .topic = section.Text("topic"),
      .name = section.Text("name"),
      .model = section.Text("model"),
      .qos = section.Number("qos", base.qos),
      .payload = section.OneOf("payload", kPayloads, base.payload),
      .field = section.Text("field"),
      .id = section.Pointer("id"),
      .trusted_source = section.Flag("trusted_source", base.trusted_source),
      .time = section.Pointer("time"),
      .time_format = section.OneOf("time_format", kTimeFormats, base.time_format),
      .message_id = section.Pointer("message_id"),
      .sequence = section.Pointer("sequence"),
      .repeat_window = section.Number("repeat_window", receive_maximum),
      .items = section.Pointer("items"),
      .fields = {},
      .command = section.Text("command"),
      .command_ack = section.Text("command_ack"),
      .command_retry = {},
      .command_timeout = section.Duration("command_timeout", base.command_timeout),
      .late = section.OneOf("late", kLates, base.late),
      .offline_after = {},
      .feed_watch = {},
  };
  if (section.Find("command_retry") != nullptr)
    route.command_retry = section.Duration("command_retry", std::chrono::microseconds(0));
  if (section.Find("offline_after") != nullptr)
    route.offline_after = section.Duration("offline_after", std::chrono::microseconds(0));
  if (const json* const watch = section.Find("feed_watch")) {
    const Section keys(*watch, base_dir);
    const FeedWatch otherwise;
    route.feed_watch = {.share = keys.Number("share", otherwise.share),
                        .within = keys.Duration("within", otherwise.within),
                        .members_min = keys.Number("members_min", otherwise.members_min)};
  }
  if (route.name.empty()) route.name = PercentEncoded(route.topic);
  if (const json* const fields = section.Find("fields")) {
    for (const auto& item : fields->items()) {
      route.fields.push_back(ReadField(item.key(), item.value(), base_dir));
    }
  }
  return route;
}

Outbox ReadOutbox(const Section& section) {
  const Outbox base;
  return {.size = section.Size("size", base.size),
          .when_full = section.OneOf("when_full", kWhenFulls, base.when_full)};
}

Webhook ReadWebhook(const Section& section) {
  Webhook webhook;
  webhook.name = section.Text("name");
  webhook.url = section.Text("url");
  webhook.url_file = section.File("url_file");
  webhook.headers_file = section.File("headers_file");
  webhook.ca_file = section.File("ca_file");
  webhook.timeout = section.Duration("timeout", webhook.timeout);
  webhook.retry_for = section.Duration("retry_for", webhook.retry_for);
  webhook.outbox = ReadOutbox(section.Sub("outbox"));
  if (const json* const severities = section.Find("severities")) {
    webhook.severities.clear();
    for (const json& name : *severities) {
      webhook.severities.push_back(
          std::ranges::find(kSeverities, name.get<std::string>(), &Choice<gemel_severity>::name)
              ->value);
    }
  }
  if (const json* const models = section.Find("models"))
    webhook.models = models->get<std::vector<std::string>>();
  return webhook;
}

Journal ReadJournal(const Section& section) {
  Journal journal;
  journal.path = section.File("path", journal.path);
  journal.lag_max = section.Size("lag_max", journal.lag_max);
  journal.segment_size = section.Size("segment_size", journal.segment_size);
  const Section retention = section.Sub("retention");
  journal.retention_time = retention.Duration("time", journal.retention_time);
  journal.retention_size = retention.Size("size", journal.retention_size);
  journal.retention_bases = retention.Number("bases", journal.retention_bases);
  const std::string sync = section.Text("sync_every");
  if (sync == "always") {
    journal.sync_every = std::chrono::milliseconds(0);
  } else if (sync == "off") {
    journal.sync_every.reset();
  } else {
    journal.sync_every = section.Duration("sync_every", *journal.sync_every);
  }
  return journal;
}

Result<Http> ReadHttp(const Section& section, const Origin& origin) {
  Http http;
  if (const json* const listen = section.Find("listen")) {
    auto endpoint = ParseEndpoint(listen->get<std::string>());
    if (!endpoint.ok()) return origin.Wrong("http.listen", endpoint.status().message());
    http.listen = std::move(*endpoint);
  }
  if (const json* const hosts = section.Find("hosts")) {
    for (const json& entry : *hosts) {
      auto host = ParseHost(entry.get<std::string>());
      if (!host.ok()) {
        return origin.Wrong(Joined("http.hosts", http.hosts.size()), host.status().message());
      }
      http.hosts.push_back(std::move(*host));
    }
  }
  return http;
}

}  // namespace

Result<Config> Read(const json& document, const path& base_dir, const Origin& origin) {
  const Section root(document, base_dir);
  const Config base;
  Config config;
  config.mqtt = ReadMqtt(root.Sub("mqtt"));
  config.root = root.Text("root", base.root);
  if (const json* const models = root.Find("models")) {
    for (const json& model : *models) config.models.push_back(ReadModel({model, base_dir}));
  }
  if (const json* const routes = root.Find("routes")) {
    for (const json& route : *routes) {
      config.routes.push_back(ReadRoute({route, base_dir}, base_dir, config.mqtt.receive_maximum));
    }
  }
  config.shards = root.Number("shards", base.shards);
  config.overload = root.OneOf("overload", kOverloads, base.overload);
  config.outbox = ReadOutbox(root.Sub("outbox"));
  if (const json* const webhooks = root.Find("webhooks")) {
    for (const json& webhook : *webhooks)
      config.webhooks.push_back(ReadWebhook({webhook, base_dir}));
  }
  config.journal = ReadJournal(root.Sub("journal"));
  const Section store = root.Sub("store");
  config.store = {.path = store.File("path", base.store.path),
                  .snapshot_every = store.Duration("snapshot_every", base.store.snapshot_every)};
  const Section history = root.Sub("history");
  path beside = config.store.path;
  config.history = {.path = history.File("path", beside.replace_extension(".history.db")),
                    .keep = history.Duration("keep", base.history.keep),
                    .size = history.Size("size", base.history.size)};
  const Section alerts = root.Sub("alerts");
  config.alerts = {.twin_notices_per_minute = alerts.Number("twin_notices_per_minute",
                                                            base.alerts.twin_notices_per_minute),
                   .model_notices_per_minute = alerts.Number("model_notices_per_minute",
                                                             base.alerts.model_notices_per_minute)};
  GEMEL_TRY_LET(config.http, ReadHttp(root.Sub("http"), origin));
  const Section limits = root.Sub("limits");
  config.limits = {
      .payload_max = limits.Size("payload_max", base.limits.payload_max),
      .twins_max = limits.Number("twins_max", base.limits.twins_max),
      .timers_per_twin = limits.Number("timers_per_twin", base.limits.timers_per_twin),
      .script_instructions = limits.Number("script_instructions", base.limits.script_instructions),
      .script_memory = limits.Size("script_memory", base.limits.script_memory),
      .mailbox = limits.Size("mailbox", base.limits.mailbox),
      .event_time_ahead = limits.Duration("event_time_ahead", base.limits.event_time_ahead),
  };
  config.log = {
      .level = root.Sub("log").OneOf("level", kLogLevels, base.log.level),
      .format = root.Sub("log").OneOf("format", kLogFormats, base.log.format),
  };
  return config;
}

}  // namespace gemel::config
