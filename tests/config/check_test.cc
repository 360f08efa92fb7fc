#include "gateway/config/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/parsing.h"

namespace gemel::config {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

std::string WithModels(std::string_view first, std::string_view second) {
  return R"({"models": [{"plugin": "a.so", "name": ")" + std::string(first) +
         R"("}, {"plugin": "b.so", "name": ")" + std::string(second) + "\"}]}";
}

std::string RefusedRoute(std::string_view keys) { return Refused(WithRoute(keys)); }

TEST(CheckTest, ModelNamesAreUnique) {
  EXPECT_EQ(Refused(WithModels("truck", "truck")),
            "gemel.json: models[1].name: \"truck\" is also the name of models[0]");
  EXPECT_EQ(Refused(WithModels("truck", "Truck")),
            "gemel.json: models[1].name: \"Truck\" is also the name of models[0]");
  Accepted(WithModels("truck", "truck2"));
}

TEST(CheckTest, ReservedModelNamesAreRefused) {
  for (const char* name : {"feed", "incident", "aggregate", "gateway", "Feed"}) {
    EXPECT_EQ(Refused(WithModels("truck", name)),
              "gemel.json: models[1].name: \"" + std::string(name) +
                  "\" is reserved, as are feed, incident, aggregate, gateway");
  }
}

TEST(CheckTest, ModelNameIsAWord) {
  for (const char* name : {"1truck", "_t", "a-b", "a b", "a/b", "ä"}) {
    EXPECT_THAT(Refused(WithModels("truck", name)), HasSubstr("a letter, then letters")) << name;
  }
  EXPECT_THAT(Refused(WithModels("truck", std::string(65, 'a'))), HasSubstr("at most 64"));
}

TEST(CheckTest, RouteNamesAKnownModel) {
  EXPECT_EQ(Refused(R"({"models": [{"name": "truck", "plugin": "p"}],
                        "routes": [{"topic": "t", "model": "truk"}]})"),
            "gemel.json: routes[0].model: \"truk\" is none of models; did you mean truck?");
  EXPECT_EQ(Refused(R"({"routes": [{"topic": "t", "model": "truck"}]})"),
            "gemel.json: routes[0].model: \"truck\" is none of models");
}

TEST(CheckTest, RouteNamesAreUniqueAndFitForATopicLevel) {
  const auto routes = [](std::string_view first, std::string_view second) {
    return R"({"models": [{"name": "m", "plugin": "p"}], "routes": [{"model": "m", "topic": "a", )" +
           std::string(first) + R"(}, {"model": "m", "topic": "a", )" + std::string(second) + "}]}";
  };
  EXPECT_EQ(Refused(routes(R"("name": "x")", R"("name": "x")")),
            "gemel.json: routes[1].name: \"x\" is also the name of routes[0]");
  EXPECT_EQ(Refused(routes(R"("qos": 1)", R"("qos": 1)")),
            "gemel.json: routes[1].name: \"a\" is also the name of routes[0]");
  Accepted(routes(R"("name": "x")", R"("name": "y")"));
  EXPECT_THAT(RefusedRoute(R"("name": "a/b")"), HasSubstr("no / + # and control characters"));
  EXPECT_THAT(RefusedRoute(R"("name": "a\nb")"), HasSubstr("no / + # and control characters"));
  EXPECT_THAT(
      Refused(R"({"models": [{"name": "m", "plugin": "p"}], "routes": [{"model": "m", "topic": ")" +
              std::string(129, 't') + "\"}]}"),
      HasSubstr("at most 128, give the route a shorter name"));
}

TEST(CheckTest, TextPayloadNeedsAField) {
  EXPECT_EQ(RefusedRoute(R"("payload": "text")"),
            "gemel.json: routes[0].field: missing: it names the field that a text payload fills");
  Accepted(WithRoute(R"("payload": "text", "field": "speed")"));
  Accepted(WithRoute(
      R"("payload": "text", "field": "on", "fields": {"on": {"at": "", "values": {"ON": true}}})"));
  Accepted(R"({"models": [{"name": "m", "plugin": "p"}],
               "routes": [{"model": "m", "topic": "homie/{id}/{field}", "payload": "text"}]})");
}

TEST(CheckTest, TextPayloadHasNothingToPointAt) {
  for (const char* key : {"id", "time", "message_id", "sequence", "items"}) {
    EXPECT_EQ(
        RefusedRoute(R"("payload": "text", "field": "f", ")" + std::string(key) + R"(": "/a")"),
        "gemel.json: routes[0]." + std::string(key) +
            ": a text payload is one value, with nothing else in it");
  }
  EXPECT_THAT(RefusedRoute(R"("payload": "text", "field": "f", "fields": {"g": ""})"),
              StartsWith("gemel.json: routes[0].fields.g: "));
  EXPECT_EQ(RefusedRoute(R"("field": "f")"),
            "gemel.json: routes[0].field: only has a meaning with \"payload\": \"text\"");
}

TEST(CheckTest, IdFromThePayloadNeedsATrustedSource) {
  EXPECT_THAT(RefusedRoute(R"("id": "/device")"),
              StartsWith("gemel.json: routes[0].id: needs \"trusted_source\": true"));
  Accepted(WithRoute(R"("id": "/device", "trusted_source": true)"));
}

TEST(CheckTest, PointersFollowTheirStandard) {
  for (const char* good : {"", "/", "/a/0", "/a~0b~1c", "//"}) {
    Accepted(WithRoute(R"("time": ")" + std::string(good) + '"'));
  }
  for (const char* bad : {"a", "a/b", "/a~", "/a~2", "$.a"}) {
    EXPECT_EQ(RefusedRoute(R"("time": ")" + std::string(bad) + '"'),
              "gemel.json: routes[0].time: \"" + std::string(bad) +
                  "\" is no JSON pointer; it starts with /, like \"/engine/oil\"");
  }
  EXPECT_THAT(RefusedRoute(R"("items": "a")"), StartsWith("gemel.json: routes[0].items: "));
  EXPECT_THAT(RefusedRoute(R"("sequence": "a")"), StartsWith("gemel.json: routes[0].sequence: "));
  EXPECT_THAT(RefusedRoute(R"("fields": {"x": "a"})"),
              StartsWith("gemel.json: routes[0].fields.x: "));
  EXPECT_THAT(RefusedRoute(R"("fields": {"x": {"at": "a"}})"),
              StartsWith("gemel.json: routes[0].fields.x: "));
  EXPECT_THAT(RefusedRoute(R"("fields": {"": "/a"})"), HasSubstr("is no field; 1 to 64 bytes"));
}

TEST(CheckTest, CaretIsOnlyForRoutesWithItems) {
  EXPECT_EQ(
      RefusedRoute(R"("time": "^/ts")"),
      "gemel.json: routes[0].time: \"^/ts\" starts with ^, which only has a meaning with items");
  Accepted(WithRoute(R"("items": "/readings", "time": "^/ts", "fields": {"a": "^/b"})"));
  EXPECT_THAT(RefusedRoute(R"("items": "^/readings")"), HasSubstr("is no JSON pointer"));
  EXPECT_THAT(RefusedRoute(R"("items": "/r", "time": "^ts")"), HasSubstr("is no JSON pointer"));
}

TEST(CheckTest, MessageIdAndSequenceExcludeEachOther) {
  EXPECT_EQ(RefusedRoute(R"("message_id": "/m", "sequence": "/s")"),
            "gemel.json: routes[0].sequence: message_id is given too; only one of them");
}

TEST(CheckTest, RepeatWindowHoldsWhatTheBrokerMaySendAgain) {
  EXPECT_EQ(
      RefusedRoute(R"("repeat_window": 99)"),
      "gemel.json: routes[0].repeat_window: 99 is below mqtt.receive_maximum (100), so a repeat "
      "could be missed");
}

TEST(CheckTest, AModelIsAPluginOrAScript) {
  EXPECT_EQ(Refused(R"({"models": [{"name": "m", "plugin": "m.so", "script": "m.lua"}]})"),
            "gemel.json: models[0].plugin: script is given too; only one of them");
  EXPECT_EQ(Accepted(R"({"models": [{"name": "m", "script": "m.lua"}]})").models[0].script,
            "/etc/gemel/m.lua");
}

TEST(CheckTest, AFeedWatchWantsABoundOnSilenceAndNoLongerOneItself) {
  EXPECT_EQ(RefusedRoute(R"("feed_watch": {})"),
            "gemel.json: routes[0].feed_watch: offline_after is missing, without which no twin "
            "falls silent");
  EXPECT_EQ(RefusedRoute(R"("offline_after": "10m", "feed_watch": {"within": "11m"})"),
            "gemel.json: routes[0].feed_watch.within: 11m is above offline_after (10m)");
  EXPECT_THAT(RefusedRoute(R"("offline_after": "10m", "feed_watch": {"share": 1.5})"),
              HasSubstr("feed_watch"));
  Accepted(WithRoute(R"("offline_after": "10m", "feed_watch": {"within": "10m"})"));
}

TEST(CheckTest, AnswersNeedCommands) {
  EXPECT_THAT(RefusedRoute(R"("command_ack": "a/{id}")"), HasSubstr("needs command"));
  EXPECT_EQ(RefusedRoute(R"("command": "c/{id}", "command_retry": "30s")"),
            "gemel.json: routes[0].command_retry: needs command_ack: without it nobody says that a "
            "command has come");
  const std::string answered = R"("command": "c/{id}", "command_ack": "a/{id}", )";
  Accepted(WithRoute(answered + R"("command_retry": "30s", "command_timeout": "2d")"));
  EXPECT_THAT(RefusedRoute(answered + R"("command_retry": "900ms")"), HasSubstr("command_retry"));
  EXPECT_THAT(RefusedRoute(answered + R"("command_timeout": "0s")"), HasSubstr("command_timeout"));
}

TEST(CheckTest, BrokerAndItsFilesFitTogether) {
  EXPECT_THAT(Refused(R"({"mqtt": {"uri": "http://x"}})"),
              StartsWith("gemel.json: mqtt.uri: \"http://x\" is no broker"));
  EXPECT_EQ(Refused(R"({"mqtt": {"uri": "mqtt://u:secret@h"}})"),
            "gemel.json: mqtt.uri: holds credentials, which belong into mqtt.username and "
            "mqtt.password_file; allowed is mqtt://host:port or mqtts://host:port");
  EXPECT_THAT(Refused(R"({"mqtt": {"uri": "mqtt://[localhost]:1883"}})"),
              HasSubstr("mqtt.uri: \"mqtt://[localhost]:1883\" is no broker"));
  EXPECT_EQ(Refused(R"({"mqtt": {"ca_file": "ca.pem"}})"),
            "gemel.json: mqtt.ca_file: needs TLS, but mqtt.uri is \"mqtt://127.0.0.1:1883\"; "
            "mqtts://host:port has it");
  EXPECT_EQ(Refused(R"({"mqtt": {"uri": "mqtts://b", "key_file": "k"}})"),
            "gemel.json: mqtt.key_file: certificate_file and key_file are needed together");
  EXPECT_EQ(Refused(R"({"mqtt": {"password": "p", "password_file": "f"}})"),
            "gemel.json: mqtt.password_file: password is given too; only one of them");
  EXPECT_EQ(Refused(R"({"mqtt": {"version": "3.1.1", "password": "p"}})"),
            "gemel.json: mqtt.username: MQTT 3.1.1 allows no password without it");
  EXPECT_EQ(Refused(R"({"mqtt": {"reconnect_min": "11s"}})"),
            "gemel.json: mqtt.reconnect_min: 11s is above mqtt.reconnect_max (10s)");
  EXPECT_THAT(Refused(R"({"mqtt": {"client_id": "a\u0000b"}})"), HasSubstr("control characters"));
}

TEST(CheckTest, HostsAreNamesOrAddressesAndNoWildcards) {
  EXPECT_EQ(Refused(R"({"http": {"hosts": ["a", "*.example"]}})"),
            "gemel.json: http.hosts[1]: \"*.example\" is no host name or address; without port or "
            "wildcard, like \"gateway.example\"");
  EXPECT_THAT(Refused(R"({"http": {"hosts": ["a:8080"]}})"), HasSubstr("without port"));
  EXPECT_EQ(Accepted("{}", {{"GEMEL__HTTP__HOSTS", R"(["a"])"}}).http.hosts.size(), 1u);
}

TEST(CheckTest, RootIsAPrefixOfTopics) {
  for (const char* root : {"/a", "a/", "a//b", "a/+", "#", "$SYS", "a\\u0000b"}) {
    EXPECT_THAT(Refused(R"({"root": ")" + std::string(root) + "\"}"),
                HasSubstr("is no prefix of topics"))
        << root;
  }
  Accepted(R"({"root": "site 1/gemel"})");
}

TEST(CheckTest, MailboxFitsItsMessages) {
  EXPECT_EQ(Refused(R"({"limits": {"mailbox": "3MiB"}})"),
            "gemel.json: limits.mailbox: 3MiB is no power of two");
  EXPECT_EQ(Refused(R"({"limits": {"mailbox": "512KiB"}})"),
            "gemel.json: limits.mailbox: 512KiB is below 16 times limits.payload_max (64KiB)");
}

TEST(CheckTest, WhatIsWeakerThanOneMayExpectIsNoted) {
  EXPECT_THAT(Accepted(WithRoute("")).notes, Contains(HasSubstr("applied twice")));
  EXPECT_THAT(Accepted(WithRoute(R"("qos": 0)")).notes, testing::IsEmpty());
  for (const char* key : {"sequence", "message_id"}) {
    EXPECT_THAT(Accepted(WithRoute('"' + std::string(key) + R"(": "/n")")).notes,
                testing::IsEmpty());
  }
  EXPECT_THAT(Accepted(R"({"queries": [{"name": "q", "sql": "SELECT 1", "every": "1s"}]})").notes,
              Contains(HasSubstr("has no effect")));
  EXPECT_THAT(
      Accepted(WithRoute(R"("qos": 2, "message_id": "/n")"), {{"GEMEL__MQTT__VERSION", "3.1.1"}})
          .notes,
      Contains(HasSubstr("subscribes with 1")));
  EXPECT_THAT(Accepted(R"({"mqtt": {"uri": "mqtts://b", "verify_server": false}})").notes,
              Contains(HasSubstr("verify_server")));
}

}  // namespace
}  // namespace gemel::config
