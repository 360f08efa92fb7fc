#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/parsing.h"

namespace gemel::config {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;

TEST(OverridesTest, KeyIsOverriddenWhateverItsCase) {
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__CLIENT_ID", "g9"}}).mqtt.client_id, "g9");
  EXPECT_EQ(Accepted("{}", {{"GEMEL__mqtt__Client_Id", "g9"}}).mqtt.client_id, "g9");
  EXPECT_EQ(Accepted(R"({"mqtt": {"keepalive": "1s"}})", {{"GEMEL__MQTT__KEEPALIVE", "30s"}})
                .mqtt.keepalive,
            30s);
  EXPECT_EQ(Accepted("{}", {{"GEMEL__SHARDS", "7"}}).shards, 7u);
  EXPECT_FALSE(Accepted("{}", {{"GEMEL__MQTT__VERIFY_SERVER", "false"}}).mqtt.verify_server);
}

TEST(OverridesTest, TheSchemaDecidesWhatAValueIs) {
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__USERNAME", "1234"}}).mqtt.username, "1234");
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__CLIENT_ID", "true"}}).mqtt.client_id, "true");
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__VERSION", "5"}}).mqtt.version, MqttVersion::k5);
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__VERSION", "3.1.1"}}).mqtt.version, MqttVersion::k311);
  EXPECT_EQ(Accepted("{}", {{"GEMEL__MQTT__KEEPALIVE", "\"30s\""}}).mqtt.keepalive, 30s);
  EXPECT_EQ(Accepted(R"({"shards": 3})", {{"GEMEL__SHARDS", "null"}}).shards, DefaultShards());
}

TEST(OverridesTest, EntryOfAnArrayIsNamedByItsNumber) {
  EXPECT_EQ(Accepted(WithRoute(""), {{"GEMEL__ROUTES__0__QOS", "2"}}).routes[0].qos, 2);
  EXPECT_EQ(Refused(WithRoute(""), {{"GEMEL__ROUTES__1__QOS", "2"}}),
            "GEMEL__ROUTES__1__QOS: routes has no entry \"1\"; it has 1");
  EXPECT_EQ(Refused(WithRoute(""), {{"GEMEL__ROUTES__X__QOS", "2"}}),
            "GEMEL__ROUTES__X__QOS: routes has no entry \"X\"; it has 1");
}

TEST(OverridesTest, WholeSectionsAndArraysAreJson) {
  const Config config = Accepted(
      "{}", {{"GEMEL__MODELS", R"([{"name": "m", "plugin": "m.so"}])"},
             {"GEMEL__ROUTES", R"([{"topic": "t/{id}", "model": "m"}])"},
             {"GEMEL__ROUTES__0__QOS", "0"},  // after the array: names are applied in their order
             {"GEMEL__LIMITS", R"({"twins_max": 5})"}});
  EXPECT_EQ(config.routes.at(0).qos, 0);
  EXPECT_EQ(config.limits.twins_max, 5u);
}

TEST(OverridesTest, FreeKeysAreFoundWhateverTheirCaseOrMadeInLowerCase) {
  const std::string text = R"({"models": [{"name": "m", "plugin": "m.so",
                               "parameters": {"Overheat_C": 1, "nested": {"a": [1, 2]}}}]})";
  const auto parameters = [&](const std::string& name, const std::string& value) {
    return Accepted(text, {{"GEMEL__MODELS__0__" + name, value}}).models.at(0).parameters;
  };
  EXPECT_EQ(parameters("PARAMETERS__OVERHEAT_C", "110"),
            R"({"Overheat_C":110,"nested":{"a":[1,2]}})");
  EXPECT_EQ(parameters("PARAMETERS__NESTED__A__1", "x"),
            R"({"Overheat_C":1,"nested":{"a":[1,"x"]}})");
  EXPECT_EQ(parameters("PARAMETERS__NEW__KEY", "null"),
            R"({"Overheat_C":1,"nested":{"a":[1,2]},"new":{"key":null}})");
  EXPECT_EQ(Accepted(WithRoute(""), {{"GEMEL__ROUTES__0__FIELDS__OIL__AT", "/o"},
                                     {"GEMEL__ROUTES__0__FIELDS__OIL__UNIT", "F"}})
                .routes[0]
                .fields,
            (std::vector<FieldSource>{{.name = "oil", .at = "/o", .unit = "F", .values = {}}}));
}

TEST(OverridesTest, VariableThatNamesNoKeyIsRefused) {
  EXPECT_EQ(Refused("{}", {{"GEMEL__MQTT__CLIENT_DI", "x"}}),
            "GEMEL__MQTT__CLIENT_DI: no such key mqtt.client_di; did you mean client_id?");
  EXPECT_EQ(Refused("{}", {{"GEMEL__MQTTT__URI", "x"}}),
            "GEMEL__MQTTT__URI: no such key mqttt; did you mean mqtt?");
  EXPECT_EQ(Refused("{}", {{"GEMEL__MQTT__URI__HOST", "x"}}),
            "GEMEL__MQTT__URI__HOST: mqtt.uri has no keys");
  EXPECT_EQ(Refused("{}", {{"GEMEL__", "x"}}), "GEMEL__: names no key; GEMEL__SECTION__KEY does");
  EXPECT_EQ(Refused("{}", {{"GEMEL__MQTT____URI", "x"}}),
            "GEMEL__MQTT____URI: names no key; GEMEL__SECTION__KEY does");
  EXPECT_EQ(Refused(R"({"mqtt": 5})", {{"GEMEL__MQTT__URI", "x"}}),
            "GEMEL__MQTT__URI: mqtt has no keys");
  std::string deep = "GEMEL__MODELS";
  for (int i = 0; i < 100; ++i) deep += "__A";
  EXPECT_THAT(Refused("{}", {{deep, "x"}}), StartsWith("GEMEL__MODELS__A"));
}

TEST(OverridesTest, WrongValueIsBlamedOnTheVariable) {
  EXPECT_EQ(Refused("{}", {{"GEMEL__SHARDS", "65"}}),
            "GEMEL__SHARDS: shards: 65 is not allowed; 1 to 64");
  EXPECT_EQ(
      Refused(WithRoute(""), {{"GEMEL__ROUTES__0__PAYLOAD", "xml"}}),
      "GEMEL__ROUTES__0__PAYLOAD: routes[0].payload: \"xml\" is not allowed; one of json, text, "
      "cbor, msgpack");
  EXPECT_THAT(Refused("{}", {{"GEMEL__SHARDS", "many"}}),
              StartsWith("GEMEL__SHARDS: line 1, column 1: "));
  EXPECT_THAT(Refused("{}", {{"GEMEL__MODELS", "[{"}}),
              StartsWith("GEMEL__MODELS: line 1, column 3: "));
  EXPECT_THAT(Refused("{}", {{"GEMEL__MQTT__KEEPALIVE", "60"}}),
              StartsWith("GEMEL__MQTT__KEEPALIVE: mqtt.keepalive: \"60\" is no duration"));
  EXPECT_EQ(Refused("{}", {{"GEMEL__ROOT", "a\xFF"}}), "GEMEL__ROOT: not UTF-8");
  EXPECT_EQ(Refused("{}", {{"GEMEL__HTTP__LISTEN", "nowhere"}}).substr(0, 34),
            "GEMEL__HTTP__LISTEN: http.listen: ");
  EXPECT_THAT(Refused("{}", {{"GEMEL__MQTT", R"({"uri": "http://x"})"}}),
              StartsWith("GEMEL__MQTT: mqtt.uri: "));
}

}  // namespace
}  // namespace gemel::config
