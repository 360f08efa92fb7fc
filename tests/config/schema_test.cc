#include "gateway/config/schema.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/config/parsing.h"

namespace gemel::config {
namespace {

using nlohmann::json;

// What the search for a mistake understands. Another keyword would be judged by valijson alone, in
// words that help nobody.
const std::set<std::string> kKeywords = {"$ref",
                                         "$schema",
                                         "additionalProperties",
                                         "anyOf",
                                         "default",
                                         "definitions",
                                         "description",
                                         "enum",
                                         "items",
                                         "maxLength",
                                         "maximum",
                                         "minLength",
                                         "minimum",
                                         "pattern",
                                         "properties",
                                         "required",
                                         "title",
                                         "type",
                                         "x-maximum",
                                         "x-minimum",
                                         "x-multiple",
                                         "x-no-effect-yet",
                                         "x-quantity"};

void ExpectKnownKeywords(const json& rule) {
  for (const auto& item : rule.items()) {
    EXPECT_TRUE(kKeywords.contains(item.key())) << item.key() << " in " << rule;
    if (item.key() == "properties" || item.key() == "definitions") {
      for (const json& member : item.value()) ExpectKnownKeywords(member);
    } else if (item.key() == "items" || item.key() == "additionalProperties") {
      if (item.value().is_object()) ExpectKnownKeywords(item.value());
    } else if (item.key() == "anyOf") {
      for (const json& alternative : item.value()) ExpectKnownKeywords(alternative);
    }
  }
  // Only the parser of quantities stands for a pattern, and it needs a bound on length.
  EXPECT_TRUE(!rule.contains("pattern") ||
              (rule.contains("x-quantity") && rule.contains("maxLength")));
  EXPECT_EQ(rule.contains("minimum"), rule.contains("maximum")) << rule;
  EXPECT_EQ(rule.contains("x-minimum"), rule.contains("x-maximum")) << rule;
}

TEST(SchemaTest, UsesOnlyKeywordsThatMistakesAreExplainedFor) { ExpectKnownKeywords(Schema()); }

TEST(SchemaTest, EveryKeyOfASectionHasADescription) {
  for (const char* section : {"mqtt", "journal", "store", "http", "limits", "log", "outbox"}) {
    for (const auto& item : Resolved(Schema()["properties"][section])["properties"].items()) {
      EXPECT_NE(Entry(item.value(), "description"), nullptr) << section << '.' << item.key();
      EXPECT_NE(Entry(item.value(), "default"), nullptr) << section << '.' << item.key();
    }
  }
}

TEST(SchemaTest, UnknownKeyIsRefusedWithASuggestion) {
  EXPECT_EQ(Refused(R"({"mqtt": {"client_di": "x"}})"),
            "gemel.json: mqtt.client_di: no such key; did you mean client_id?");
  EXPECT_EQ(Refused(R"({"route": []})"), "gemel.json: route: no such key; did you mean routes?");
  EXPECT_EQ(Refused(R"({"wombat": []})"), "gemel.json: wombat: no such key");
  EXPECT_EQ(Refused("{\"\\n\": []}"), "gemel.json: \"\\n\": no such key");
  EXPECT_EQ(Refused(WithRoute(R"("fields": {"a": {"att": "/b"}})")),
            "gemel.json: routes[0].fields.a.att: no such key; did you mean at?");
}

TEST(SchemaTest, WrongChoiceListsWhatIsAllowed) {
  EXPECT_EQ(
      Refused(WithRoute(R"("payload": "xml")")),
      "gemel.json: routes[0].payload: \"xml\" is not allowed; one of json, text, cbor, msgpack");
  EXPECT_EQ(Refused(R"({"mqtt": {"version": 5}})"),
            "gemel.json: mqtt.version: 5 is not allowed; one of 5, 3.1.1");
  EXPECT_EQ(Refused(R"({"overload": ["block"]})"),
            "gemel.json: overload: an array is not allowed; one of block, drop");
}

TEST(SchemaTest, WrongTypeNamesBoth) {
  EXPECT_EQ(Refused(R"({"mqtt": []})"), "gemel.json: mqtt: must be an object, not an array");
  EXPECT_EQ(Refused(R"({"mqtt": {"uri": null}})"),
            "gemel.json: mqtt.uri: must be a string, not null");
  EXPECT_EQ(Refused(R"({"mqtt": {"verify_server": "yes"}})"),
            "gemel.json: mqtt.verify_server: must be true or false, not a string");
  EXPECT_EQ(Refused(R"({"shards": 1.5})"),
            "gemel.json: shards: must be a whole number or null, not 1.5");
  EXPECT_EQ(Refused(WithRoute(R"("time": 5)")),
            "gemel.json: routes[0].time: must be a string or null, not 5");
  EXPECT_EQ(Refused(WithRoute(R"("fields": {"a": 5})")),
            "gemel.json: routes[0].fields.a: must be a string or an object, not a number");
  EXPECT_EQ(
      Refused(WithRoute(R"("fields": {"a": {"at": "", "values": {"x": null}}})")),
      "gemel.json: routes[0].fields.a.values.x: must be true or false or a number or a string, "
      "not null");
}

TEST(SchemaTest, NumberOutOfRangeNamesTheRange) {
  EXPECT_EQ(Refused(R"({"shards": 0})"), "gemel.json: shards: 0 is not allowed; 1 to 64");
  EXPECT_EQ(Refused(R"({"mqtt": {"receive_maximum": 65536}})"),
            "gemel.json: mqtt.receive_maximum: 65536 is not allowed; 1 to 65535");
  EXPECT_EQ(Refused(WithRoute(R"("qos": 3)")),
            "gemel.json: routes[0].qos: 3 is not allowed; 0 to 2");
  EXPECT_EQ(Refused(R"({"shards": 18446744073709551615})"),
            "gemel.json: shards: 18446744073709551615 is not allowed; 1 to 64");
}

TEST(SchemaTest, WrongQuantitySaysHowToWriteIt) {
  EXPECT_EQ(
      Refused(R"({"mqtt": {"keepalive": 60}})"),
      "gemel.json: mqtt.keepalive: \"60\" is no duration; a whole number with a unit of us, ms, "
      "s, m, h or d, like \"1500ms\"");
  EXPECT_EQ(Refused(R"({"limits": {"payload_max": "64kB"}})"),
            "gemel.json: limits.payload_max: \"64kB\" is no size; a whole number with a unit of B, "
            "KiB, MiB, GiB or TiB, like \"64KiB\"");
  EXPECT_EQ(Refused(R"({"mqtt": {"keepalive": "0s"}})"),
            "gemel.json: mqtt.keepalive: 0s is not allowed; 1s to 65535s");
  EXPECT_EQ(Refused(R"({"mqtt": {"keepalive": "1500ms"}})"),
            "gemel.json: mqtt.keepalive: 1500ms is no multiple of 1s");
  EXPECT_EQ(Refused(R"({"mqtt": {"session_expiry": "2147483648s"}})"),
            "gemel.json: mqtt.session_expiry: 2147483648s is not allowed; 1s to 2147483647s");
  EXPECT_EQ(
      Refused(R"({"journal": {"sync_every": "never"}})"),
      "gemel.json: journal.sync_every: \"never\" is no duration; a whole number with a unit of "
      "us, ms, s, m, h or d, like \"1500ms\"");
  Accepted(R"({"journal": {"sync_every": "always"}})");
}

TEST(SchemaTest, MissingKeyIsNamed) {
  EXPECT_EQ(Refused(R"({"models": [{"name": "truck"}]})"),
            "gemel.json: models[0].plugin: missing; a model has a plugin or a script");
  EXPECT_EQ(Refused(R"({"routes": [{"model": "truck"}]})"), "gemel.json: routes[0].topic: missing");
}

TEST(SchemaTest, EmptyAndOverlongTextsAreRefused) {
  EXPECT_EQ(Refused(R"({"mqtt": {"client_id": ""}})"),
            "gemel.json: mqtt.client_id: must not be empty");
  EXPECT_EQ(Refused(R"({"mqtt": {"client_id": ")" + std::string(129, 'x') + "\"}}"),
            "gemel.json: mqtt.client_id: 129 characters are too many; at most 128");
  EXPECT_EQ(Refused(R"({"mqtt": {"keepalive": ")" + std::string(1'000'000, '1') + "s\"}}"),
            "gemel.json: mqtt.keepalive: 1000001 characters are too many; at most 32");
}

}  // namespace
}  // namespace gemel::config
