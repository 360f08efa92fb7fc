#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gateway/base/limits.h"
#include "gateway/sdk/model.h"

// What the operator decides, as plain values: one struct a section, each member at its default. The
// meaning of each key stands in schema/gateway.schema.json, where the same defaults are written.
//
// An empty string or path means "not set". A JSON pointer is optional instead, because the empty
// pointer is one: the whole document.
namespace gemel::config {

enum class MqttVersion : uint8_t { k311, k5 };
enum class Payload : uint8_t { kJson, kText, kCbor, kMsgpack };
enum class TimeFormat : uint8_t { kSeconds, kMilliseconds, kMicroseconds, kIso };
enum class Late : uint8_t { kNewestWins, kDrop };
enum class Overload : uint8_t { kBlock, kDrop };
enum class WhenFull : uint8_t { kHold, kDropOldest };
enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t { kText, kJson };

// A host name or address and a port. An IPv6 address stands without its brackets.
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Mqtt {
  std::string uri = "mqtt://127.0.0.1:1883";  // checked: mqtt:// or mqtts://, host, port
  std::string client_id = "gemel-1";
  MqttVersion version = MqttVersion::k5;
  std::chrono::seconds keepalive{60};
  std::chrono::seconds session_expiry{7 * 24 * 3600};
  uint16_t receive_maximum = 100;
  std::string username;
  std::string password;  // what password_file holds, if that is set
  std::filesystem::path password_file;
  std::filesystem::path ca_file;
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  bool verify_server = true;
  std::chrono::milliseconds reconnect_min{100};
  std::chrono::milliseconds reconnect_max{10'000};
  std::chrono::milliseconds backlog_wait{60'000};

  friend bool operator==(const Mqtt&, const Mqtt&) = default;
};

struct Model {
  std::string name;  // unique, and not one of the reserved names
  // Exactly one of the two is set. A plug-in is as written: where relative names are looked up is
  // the model host's business.
  std::string plugin;
  std::filesystem::path script;
  std::filesystem::path profile;
  std::string profile_topic;      // template with {id}; empty: profiles come on no topic
  std::string parameters = "{}";  // a JSON object
  std::map<std::string, std::filesystem::path> tables;  // by name

  friend bool operator==(const Model&, const Model&) = default;
};

// What a text (or a number, written out) of the message stands for.
using MappedValue = std::variant<bool, int64_t, double, std::string>;

// Where one field of the model stands in the payload.
struct FieldSource {
  std::string name;                           // of the field
  std::string at;                             // JSON pointer, maybe with ^ in front
  std::string unit;                           // of the value there; empty: that of the field
  std::map<std::string, MappedValue> values;  // empty: the value is taken as it is

  friend bool operator==(const FieldSource&, const FieldSource&) = default;
};

// When a silence is that of the route's feed. See twin/feed.h.
struct FeedWatch {
  double share = 0.5;
  std::chrono::microseconds within{0};  // zero: half of the route's offline_after
  uint32_t members_min = 10;

  friend bool operator==(const FeedWatch&, const FeedWatch&) = default;
};

// Pointers are valid JSON pointers (RFC 6901). With `items` all others are relative to an item, or,
// with ^ in front, to the whole message; without it none starts with ^.
struct Route {
  std::string topic;  // template; its syntax is checked where it is compiled
  std::string name;   // unique; never empty once loaded
  std::string model;  // names one of Config::models
  int qos = 1;
  Payload payload = Payload::kJson;
  std::string field;              // that a text payload fills, unless {field} of the topic names it
  std::optional<std::string> id;  // only with trusted_source
  bool trusted_source = false;
  std::optional<std::string> time;  // none: time of arrival
  TimeFormat time_format = TimeFormat::kMilliseconds;
  std::optional<std::string> message_id;  // never both this
  std::optional<std::string> sequence;    // and this
  uint32_t repeat_window = 100;           // at least mqtt.receive_maximum, its default
  std::optional<std::string> items;
  // Empty: members are fields by their names. A text payload has at most one, at the empty pointer,
  // for its unit and values.
  std::vector<FieldSource> fields;
  std::string command;                                     // topic template
  std::string command_ack;                                 // topic template
  std::optional<std::chrono::microseconds> command_retry;  // none: commands are sent once
  std::chrono::microseconds command_timeout = std::chrono::hours(24);
  Late late = Late::kNewestWins;
  std::optional<std::chrono::microseconds> offline_after;  // none: a twin is never offline
  std::optional<FeedWatch> feed_watch;                     // only with offline_after

  friend bool operator==(const Route&, const Route&) = default;
};

// Of one sink.
struct Outbox {
  uint64_t size = kOutboxBytesMax;  // bytes
  WhenFull when_full = WhenFull::kHold;

  friend bool operator==(const Outbox&, const Outbox&) = default;
};

struct Webhook {
  std::string name;  // unique
  std::string url;   // http:// or https://, never empty once loaded; may be a secret
  std::filesystem::path url_file;
  std::filesystem::path headers_file;
  std::vector<std::string> headers;  // what that holds, "Name: value"; secrets
  std::filesystem::path ca_file;
  std::vector<gemel_severity> severities = {GEMEL_CRITICAL, GEMEL_MAJOR, GEMEL_MINOR, GEMEL_WARNING,
                                            GEMEL_INFO};
  std::vector<std::string> models;  // empty: all
  std::chrono::milliseconds timeout{5'000};
  std::chrono::microseconds retry_for = std::chrono::hours(1);
  Outbox outbox;

  friend bool operator==(const Webhook&, const Webhook&) = default;
};

struct Journal {
  std::filesystem::path path = "/var/lib/gemel/journal";
  // Zero: with every message. None: when the system likes.
  std::optional<std::chrono::milliseconds> sync_every = std::chrono::seconds(1);
  uint64_t lag_max = 256 * 1'024 * 1'024;      // bytes
  uint64_t segment_size = 64 * 1'024 * 1'024;  // bytes
  // What is kept beyond what a start needs.
  std::chrono::milliseconds retention_time{std::chrono::hours(1)};
  uint64_t retention_size = 1'024 * 1'024 * 1'024;  // bytes
  uint32_t retention_bases = 4;                     // 0: none

  friend bool operator==(const Journal&, const Journal&) = default;
};

struct Store {
  std::filesystem::path path = "/var/lib/gemel/gemel.db";
  std::chrono::milliseconds snapshot_every{1'000};

  friend bool operator==(const Store&, const Store&) = default;
};

// What has become of alerts, in a database of its own.
struct History {
  std::filesystem::path path = "/var/lib/gemel/gemel.history.db";  // beside the store's
  std::chrono::milliseconds keep = std::chrono::hours(24 * 90);
  uint64_t size = uint64_t{1} << 30;  // bytes

  friend bool operator==(const History&, const History&) = default;
};

// How many notices of alerts the broker gets in a minute; 0: any number.
struct Alerts {
  uint32_t twin_notices_per_minute = 0;
  uint32_t model_notices_per_minute = 0;

  friend bool operator==(const Alerts&, const Alerts&) = default;
};

struct Http {
  Endpoint listen{.host = "127.0.0.1", .port = 8080};  // port 0: the system chooses
  std::vector<std::string> hosts;  // names or addresses; IPv6 without its brackets

  friend bool operator==(const Http&, const Http&) = default;
};

struct Limits {
  uint64_t payload_max = kPayloadBytesMaxDefault;
  uint64_t twins_max = 1'000'000;
  uint32_t timers_per_twin = kTimersPerTwinMaxDefault;
  uint64_t script_instructions = kScriptInstructionsMax;  // of one call
  uint64_t script_memory = kScriptMemoryMax;              // bytes of one model in one shard
  uint64_t mailbox = kMailboxBytes;  // bytes a shard; a power of two, at least 16 * payload_max
  std::chrono::microseconds event_time_ahead = kEventTimeAheadMax;

  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kText;

  friend bool operator==(const Log&, const Log&) = default;
};

// One a core, within 1..kShardsMax.
uint32_t DefaultShards();

struct Config {
  Mqtt mqtt;
  std::string root = "gemel";
  std::vector<Model> models;
  std::vector<Route> routes;
  uint32_t shards = DefaultShards();
  Overload overload = Overload::kBlock;
  Outbox outbox;
  std::vector<Webhook> webhooks;
  Journal journal;
  Store store;
  History history;
  Alerts alerts;
  Http http;
  Limits limits;
  Log log;
  // What is accepted but does not do what one may expect, a sentence each, for `check` and the log.
  std::vector<std::string> notes;

  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace gemel::config
