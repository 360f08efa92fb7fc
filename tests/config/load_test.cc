#include "gateway/config/load.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/parsing.h"

namespace gemel::config {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

// The smallest configuration of the design, word for word.
constexpr std::string_view kDesignExample = R"json(
{ "mqtt":    { "uri": "mqtt://127.0.0.1:1883", "client_id": "gemel-1" },
  "models":  [ { "name": "truck", "plugin": "truck.so", "profile": "trucks.csv", "parameters": { "overheat_c": 110 } } ],
  "routes":  [ { "topic": "fleet/{region}/truck/{id}/telemetry", "model": "truck", "qos": 1, "payload": "json",
                 "command": "fleet/{region}/truck/{id}/command", "command_ack": "fleet/{region}/truck/{id}/command/ack",
                 "offline_after": "60s", "late": "newest-wins" } ],
  "shards":  2,
  "store":   { "path": "/var/lib/gemel/gemel.db", "snapshot_every": "1s" },
  "journal": { "path": "/var/lib/gemel/journal", "sync_every": "1s", "lag_max": "256MiB" },
  "http":    { "listen": "127.0.0.1:8080" },
  "aggregates": [ { "name": "delay_by_region", "from": "truck", "group_by": ["region"], "where": "age_ms < 60000",
                    "select": { "trucks": "count()",
                           "mean" : "avg(delay_min)", "p95" : "p95(delay_min)"
}
, "every" : "1s", "alert_when" : "mean > 60"
} ],
  "queries":    [ { "name": "late_now", "sql": "SELECT id, region, delay_min FROM truck WHERE delay_min > 60", "every": "1s" } ]
}
)json";

TEST(LoadTest, DesignExampleLoadsAndNotesWhatHasNoEffect) {
  const Config config = Accepted(kDesignExample);
  ASSERT_EQ(config.models.size(), 1u);
  EXPECT_EQ(config.models[0].plugin, "truck.so");
  EXPECT_EQ(config.models[0].profile, "/etc/gemel/trucks.csv");
  EXPECT_EQ(config.models[0].parameters, R"({"overheat_c":110})");
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].name, "fleet%2F%7Bregion%7D%2Ftruck%2F%7Bid%7D%2Ftelemetry");
  EXPECT_EQ(config.routes[0].command, "fleet/{region}/truck/{id}/command");
  EXPECT_EQ(config.shards, 2u);
  EXPECT_THAT(config.notes,
              ElementsAre("aggregates is accepted, but has no effect in this version",
                          "queries is accepted, but has no effect in this version",
                          "routes[0] names neither message_id nor sequence, so a message that the "
                          "broker sends twice is applied twice"));
}

TEST(LoadTest, EmptyObjectIsAllDefaults) {
  Config config = Accepted("{}");
  EXPECT_THAT(config.notes, ElementsAre("routes is empty, so no telemetry is received"));
  config.notes.clear();
  EXPECT_EQ(config, Config{});
  EXPECT_EQ(config.shards, std::clamp(std::thread::hardware_concurrency(), 1u, 64u));
}

TEST(LoadTest, EveryKeyOfMqttIsRead) {
  const Config config = Accepted(R"({"mqtt": {
      "uri": "mqtts://broker:8884", "client_id": "g2", "version": "3.1.1", "keepalive": "2m",
      "session_expiry": "1h", "receive_maximum": 20, "username": "u", "password": "p",
      "ca_file": "ca.pem", "certificate_file": "/tls/me.pem", "key_file": "../me.key",
      "verify_server": false, "reconnect_min": "5ms", "reconnect_max": "1s",
      "backlog_wait": "7s"}})");
  const Mqtt expected{.uri = "mqtts://broker:8884",
                      .client_id = "g2",
                      .version = MqttVersion::k311,
                      .keepalive = 120s,
                      .session_expiry = 1h,
                      .receive_maximum = 20,
                      .username = "u",
                      .password = "p",
                      .password_file = {},
                      .ca_file = "/etc/gemel/ca.pem",
                      .certificate_file = "/tls/me.pem",
                      .key_file = "/etc/me.key",
                      .verify_server = false,
                      .reconnect_min = 5ms,
                      .reconnect_max = 1s,
                      .backlog_wait = 7s};
  EXPECT_EQ(config.mqtt, expected);
}

TEST(LoadTest, EveryKeyOfARouteIsRead) {
  const Config config = Accepted(WithRoute(R"(
      "name": "readings", "qos": 2, "payload": "cbor", "id": "^/device/serial", "trusted_source": true,
      "time": "/ts", "time_format": "us", "message_id": "^/id", "repeat_window": 500,
      "items": "", "command": "c/{id}", "command_ack": "a/{id}", "late": "drop",
      "command_retry": "30s", "command_timeout": "2h",
      "offline_after": "10m",
      "feed_watch": {"share": 0.25, "within": "3m", "members_min": 7},
      "fields": {"oil_temp_c": {"at": "/t", "unit": "F"}, "speed_kmh": "/s~1x",
                 "is_on": {"at": "^/on", "values": {"ON": true, "1": 1, "x": "y", "f": 0.5,
                                                    "big": 18446744073709551615}}})"));
  const Route expected{.topic = "t/{id}",
                       .name = "readings",
                       .model = "truck",
                       .qos = 2,
                       .payload = Payload::kCbor,
                       .field = {},
                       .id = "^/device/serial",
                       .trusted_source = true,
                       .time = "/ts",
                       .time_format = TimeFormat::kMicroseconds,
                       .message_id = "^/id",
                       .sequence = {},
                       .repeat_window = 500,
                       .items = "",
                       .fields = {{.name = "is_on",
                                   .at = "^/on",
                                   .unit = {},
                                   .values = {{"ON", true},
                                              {"1", int64_t{1}},
                                              {"x", std::string("y")},
                                              {"f", 0.5},
                                              {"big", 18446744073709551615.0}}},
                                  {.name = "oil_temp_c", .at = "/t", .unit = "F", .values = {}},
                                  {.name = "speed_kmh", .at = "/s~1x", .unit = {}, .values = {}}},
                       .command = "c/{id}",
                       .command_ack = "a/{id}",
                       .command_retry = 30s,
                       .command_timeout = 2h,
                       .late = Late::kDrop,
                       .offline_after = 10min,
                       .feed_watch = FeedWatch{.share = 0.25, .within = 3min, .members_min = 7}};
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0], expected);
}

TEST(LoadTest, TheOtherSectionsAreRead) {
  const Config config = Accepted(R"({
      "root": "site/gemel", "shards": 64, "overload": "drop", "journal": {"path": "j"},
      "http": {"listen": "[::1]:0", "hosts": ["gateway.example", "192.0.2.7", "[2001:db8::7]"]},
      "log": {"level": "debug", "format": "json"},
      "limits": {"payload_max": "1KiB", "twins_max": 10, "timers_per_twin": 3, "script_instructions": 5000, "script_memory": "2MiB", "mailbox": "16KiB", "event_time_ahead": "90s"}})");
  EXPECT_EQ(config.root, "site/gemel");
  EXPECT_EQ(config.shards, 64u);
  EXPECT_EQ(config.overload, Overload::kDrop);
  EXPECT_EQ(config.journal.path, "/etc/gemel/j");
  EXPECT_EQ(config.http.listen, (Endpoint{.host = "::1", .port = 0}));
  EXPECT_THAT(config.http.hosts, ElementsAre("gateway.example", "192.0.2.7", "2001:db8::7"));
  EXPECT_EQ(config.log, (Log{.level = LogLevel::kDebug, .format = LogFormat::kJson}));
  EXPECT_EQ(config.limits, (Limits{.payload_max = 1024,
                                   .twins_max = 10,
                                   .timers_per_twin = 3,
                                   .script_instructions = 5'000,
                                   .script_memory = 2 * 1'024 * 1'024,
                                   .mailbox = 16'384,
                                   .event_time_ahead = 90s}));
}

TEST(LoadTest, RepeatWindowDefaultsToReceiveMaximum) {
  const Config config = Accepted(WithRoute(""), {{"GEMEL__MQTT__RECEIVE_MAXIMUM", "777"}});
  EXPECT_EQ(config.routes[0].repeat_window, 777u);
}

TEST(LoadTest, TablesAreResolvedAndParametersKeptAsText) {
  const Config config = Accepted(R"({"models": [{"name": "m", "plugin": "dir/m.so",
      "tables": {"a": "a.csv.gz", "b": "/data/../b.csv"}, "parameters": {"x": [1, {"y": null}]}}]})");
  EXPECT_EQ(config.models[0].plugin, "dir/m.so");
  EXPECT_EQ(config.models[0].tables.at("a"), "/etc/gemel/a.csv.gz");
  EXPECT_EQ(config.models[0].tables.at("b"), "/b.csv");
  EXPECT_EQ(config.models[0].parameters, R"({"x":[1,{"y":null}]})");
}

class LoadFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "gemel_config_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path Write(const std::string& name, std::string_view text) {
    fs::path path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    return path;
  }

  static std::string Message(const fs::path& path) {
    const auto config = Load(path, {});
    EXPECT_FALSE(config.ok());
    return config.status().message();
  }

  fs::path folder_;
};

TEST_F(LoadFileTest, PathsStartAtTheFile) {
  const fs::path path = Write("gemel.json", R"({"journal": {"path": "journal"}})");
  const auto config = Load(path, {});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->journal.path, folder_ / "journal");
}

TEST_F(LoadFileTest, MessageNamesTheFileAsItWasGiven) {
  const fs::path path = Write("gemel.json", R"({"shards": 65})");
  EXPECT_EQ(Message(path), path.string() + ": shards: 65 is not allowed; 1 to 64");
}

TEST_F(LoadFileTest, MissingFileIsNotFound) {
  const auto config = Load(folder_ / "none.json", {});
  EXPECT_EQ(config.status().code(), Code::kNotFound);
  EXPECT_EQ(config.status().message(), (folder_ / "none.json").string() + ": no such file");
}

TEST_F(LoadFileTest, FolderIsRefused) {
  EXPECT_EQ(Message(folder_), folder_.string() + ": is a folder, not a file");
}

// While it lives, this thread has no right to open what a file's mode closes, not even as root
// (capabilities(7): CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH).
class BoundByModes {
 public:
  BoundByModes() {
    EXPECT_EQ(::syscall(SYS_capget, &head_, before_.data()), 0);
    auto bound = before_;
    bound[0].effective &= ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
    EXPECT_EQ(::syscall(SYS_capset, &head_, bound.data()), 0);
  }
  ~BoundByModes() { ::syscall(SYS_capset, &head_, before_.data()); }
  BoundByModes(const BoundByModes&) = delete;
  BoundByModes& operator=(const BoundByModes&) = delete;

 private:
  __user_cap_header_struct head_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> before_{};
};

TEST_F(LoadFileTest, UnreadableFileIsRefused) {
  const fs::path path = Write("gemel.json", "{}");
  const BoundByModes bound;
  ASSERT_TRUE(Load(path, {}).ok()) << "it is not the folder that is closed";
  fs::permissions(path, fs::perms::none);
  EXPECT_EQ(Message(path), path.string() + ": can't be read: Permission denied");
}

TEST_F(LoadFileTest, FileThatFailsToReadIsRefused) {
  EXPECT_EQ(Message("/proc/self/mem"), "/proc/self/mem: can't be read: Input/output error");
}

TEST_F(LoadFileTest, FileOver16MiBIsRefusedUnread) {
  const fs::path path = Write("gemel.json", "{}");
  fs::resize_file(path, uint64_t{1} << 30);
  EXPECT_EQ(Message(path), path.string() + ": longer than 16 MiB, so it is no configuration");
}

TEST_F(LoadFileTest, FileThatEveryUserMayChangeIsNoted) {
  const fs::path path = Write("gemel.json", "{}");
  fs::permissions(path, fs::perms::all);
  const auto config = Load(path, {});
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->notes.back(), path.string() + " may be changed by every user of this machine");
}

TEST_F(LoadFileTest, PasswordIsTheFirstLineOfItsFile) {
  Write("secret", "s3 cret\r\nsecond line\n");
  const auto config = Load(Write("gemel.json", R"({"mqtt": {"password_file": "secret"}})"), {});
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->mqtt.password, "s3 cret");
}

TEST_F(LoadFileTest, BadPasswordFileIsRefused) {
  const fs::path path = Write("gemel.json", R"({"mqtt": {"password_file": "secret"}})");
  EXPECT_THAT(Message(path),
              HasSubstr("mqtt.password_file: " + (folder_ / "secret").string() + ": no such file"));
  Write("secret", "\n");
  EXPECT_THAT(Message(path), HasSubstr("0 bytes in the first line; 1 to 65535"));
  Write("secret", std::string(65'536, 'x'));
  EXPECT_THAT(Message(path), HasSubstr("65536 bytes in the first line"));
  const fs::path pipe = Write("gemel.json", R"({"mqtt": {"password_file": "/dev/zero"}})");
  EXPECT_THAT(Message(pipe), HasSubstr("is no regular file"));
}

TEST(LoadTest, OnlyVariablesWithThePrefixOverride) {
  ::setenv("GEMEL__SHARDS", "3", 1);
  ::setenv("GEMEL_SERVER", "http://x", 1);
  const Environment environment = ProcessEnvironment();
  ::unsetenv("GEMEL__SHARDS");
  ::unsetenv("GEMEL_SERVER");
  EXPECT_THAT(environment,
              ElementsAre(std::pair<const std::string, std::string>("GEMEL__SHARDS", "3")));
}

}  // namespace
}  // namespace gemel::config
