
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/config/schema.h"
#include "tests/config/parsing.h"

// conf/gemel.json, the schema and the structs each write the defaults down; here they are held
// together.
namespace gemel::config {
namespace {

using nlohmann::json;

void ExpectEveryKeyAtItsDefault(const json& rule, const json& value, const std::string& path) {
  if (const json* const properties = Entry(rule, "properties")) {
    for (const auto& item : properties->items()) {
      const std::string below = path + "/" + item.key();
      ASSERT_TRUE(value.contains(item.key())) << below << " is not in conf/gemel.json";
      ExpectEveryKeyAtItsDefault(item.value(), value[item.key()], below);
    }
    return;
  }
  if (const json* const fallback = Entry(rule, "default")) {
    EXPECT_EQ(value, *fallback) << path;
  } else if (const json* const items = Entry(rule, "items")) {
    ASSERT_EQ(value.size(), 1u) << path << " shows one entry";
    ExpectEveryKeyAtItsDefault(*items, value[0], path + "/0");
  }
}

TEST(DefaultFileTest, HoldsEveryKeyOfTheSchemaAtItsDefault) {
  const json file = json::parse(DefaultFile(), nullptr, true, /*ignore_comments=*/true);
  ExpectEveryKeyAtItsDefault(Schema(), file, "");
}

TEST(DefaultFileTest, LoadsToTheDefaultsOfTheStructs) {
  Config config = Accepted(DefaultFile());
  config.notes.clear();
  Config expected;
  expected.models = {{.name = "truck", .plugin = "truck.so"}};
  expected.routes = {{.topic = "fleet/{region}/truck/{id}/telemetry",
                      .name = "fleet%2F%7Bregion%7D%2Ftruck%2F%7Bid%7D%2Ftelemetry",
                      .model = "truck"}};
  EXPECT_EQ(config, expected);
}

TEST(DefaultFileTest, EveryKeyIsExplainedByASentence) {
  std::istringstream lines(DefaultFile());
  std::string previous;
  for (std::string line; std::getline(lines, line); previous = line) {
    const size_t key = line.find_first_not_of(' ');
    const bool opens_section = line.ends_with(": {");
    if (key == std::string::npos || line[key] != '"' || opens_section) continue;
    EXPECT_THAT(previous, testing::ContainsRegex("^ *// .*\\.$")) << "above " << line;
  }
}

}  // namespace
}  // namespace gemel::config
