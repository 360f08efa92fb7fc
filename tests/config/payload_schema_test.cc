#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

// The payloads that the gateway sends and receives, against the examples of the contract.
namespace gemel::config {
namespace {

using nlohmann::json;
using valijson::adapters::NlohmannJsonAdapter;

bool IsValid(const std::string& name, const json& document) {
  std::ifstream file(GEMEL_SOURCE_DIR "/schema/" + name + ".schema.json");
  const json text = json::parse(file);
  valijson::Schema schema;
  valijson::SchemaParser().populateSchema(NlohmannJsonAdapter(text), schema);
  return valijson::Validator().validate(schema, NlohmannJsonAdapter(document), nullptr);
}

TEST(PayloadSchemaTest, Command) {
  json command =
      json::parse(R"({"id": "c-1a2b-0", "time_ms": 1, "name": "rest", "args": {"a": 1}})");
  EXPECT_TRUE(IsValid("command", command));
  command["expires_ms"] = 2;
  EXPECT_TRUE(IsValid("command", command));
  command["id"] = "1a2b";
  EXPECT_FALSE(IsValid("command", command));
  EXPECT_FALSE(IsValid("command", json::parse(R"({"id": "c-1-0", "name": "rest"})")));
}

TEST(PayloadSchemaTest, CommandAck) {
  EXPECT_TRUE(IsValid("command_ack", json::parse(R"({"id": "c-1a-0", "status": "successful"})")));
  EXPECT_TRUE(IsValid("command_ack",
                      json::parse(R"({"id": "c-1a-0", "status": "failed", "reason": "busy"})")));
  EXPECT_FALSE(IsValid("command_ack", json::parse(R"({"id": "c-1a-0", "status": "failed"})")));
  EXPECT_FALSE(IsValid("command_ack", json::parse(R"({"id": "c-1a-0", "status": "done"})")));
}

TEST(PayloadSchemaTest, CommandChange) {
  json change = json::parse(R"({"id": "c-1a-0", "status": "expired", "model": "truck",
      "twin": "42", "name": "rest", "time_ms": 3, "decided_ms": 1, "sent": 2, "expires_ms": 2,
      "args": {"minutes": 30}})");
  EXPECT_TRUE(IsValid("command_change", change));
  change["reason"] = "no road";
  EXPECT_TRUE(IsValid("command_change", change));
  change["status"] = "delivered";
  EXPECT_FALSE(IsValid("command_change", change));
}

TEST(PayloadSchemaTest, Alert) {
  json alert = json::parse(R"({"id": "a-1a2b-0", "status": "active_unacked", "severity": "major",
      "model": "truck", "twin": "42", "code": "engine_overheat", "message": "hot", "time_ms": 3,
      "first_ms": 1, "last_ms": 3, "count": 3, "properties": {}})");
  EXPECT_TRUE(IsValid("alert", alert));
  alert["acked_by"] = "anna";
  alert["comment"] = "";
  alert["acked_ms"] = 4;
  EXPECT_TRUE(IsValid("alert", alert));
  alert["severity"] = "terrible";
  EXPECT_FALSE(IsValid("alert", alert));
}

TEST(PayloadSchemaTest, AlertAck) {
  EXPECT_TRUE(IsValid("alert_ack", json::parse(R"({"by": "anna", "comment": "seen"})")));
  EXPECT_TRUE(IsValid("alert_ack", json::parse(R"({"by": "anna"})")));
  EXPECT_FALSE(IsValid("alert_ack", json::parse(R"({"comment": "seen"})")));
  EXPECT_FALSE(IsValid("alert_ack", json::parse(R"({"by": ""})")));
}

TEST(PayloadSchemaTest, Status) {
  EXPECT_TRUE(IsValid("status", json::parse(R"({"state": "offline"})")));
  EXPECT_TRUE(IsValid("status", json::parse(R"({"state": "online", "receiving": true, "since_ms": 1,
                                                "twins": 0, "version": "0.1.0"})")));
  EXPECT_FALSE(IsValid("status", json::parse(R"({"state": "online"})")));
}

TEST(PayloadSchemaTest, DeadLetter) {
  EXPECT_TRUE(
      IsValid("deadletter", json::parse(R"({"topic": "t", "time_ms": 1, "payload_base64": "",
                                                    "error": "empty", "lsn": 5})")));
  EXPECT_FALSE(IsValid("deadletter", json::parse(R"({"topic": "t", "time_ms": 1})")));
}

}  // namespace
}  // namespace gemel::config
