#include "gateway/config/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/parsing.h"

namespace gemel::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(DocumentTest, CommentsAndByteOrderMarkAreSkipped) {
  EXPECT_EQ(Accepted("\xEF\xBB\xBF// one\n{ /* two\n */ \"shards\": 5 }\n// three").shards, 5u);
}

TEST(DocumentTest, SyntaxErrorNamesLineAndColumn) {
  EXPECT_THAT(Refused("{\n  \"mqtt\": }"),
              StartsWith("gemel.json: line 2, column 11: syntax error"));
  EXPECT_THAT(Refused("{\"ä\": 1,}"), StartsWith("gemel.json: line 1, column 9: syntax error"));
  EXPECT_THAT(Refused("{} {}"), StartsWith("gemel.json: line 1, column 4: "));
  EXPECT_THAT(Refused(""), StartsWith("gemel.json: line 1, column 1: "));
  EXPECT_THAT(Refused("{\"shards\": 1e400}"), HasSubstr("line 1, column 16: number overflow"));
  EXPECT_THAT(Refused("{\"shards\": 01}"), StartsWith("gemel.json: line 1, column 13: "));
  EXPECT_THAT(Refused("{\"root\": \"a\nb\"}"), StartsWith("gemel.json: line 1, column 12: "));
  EXPECT_THAT(Refused("{\"root\": \"\\ud800\"}"), StartsWith("gemel.json: line 1, column "));
  EXPECT_THAT(Refused("{\"shards\": NaN}"), StartsWith("gemel.json: line 1, column 12: "));
}

TEST(DocumentTest, TruncationAnywhereIsRefused) {
  const std::string text = WithRoute(R"("qos": 1, "fields": {"a": "/b"})");
  for (size_t i = 0; i < text.size(); ++i) Refused(text.substr(0, i));
}

TEST(DocumentTest, TextThatIsNotUtf8IsRefusedEvenInAComment) {
  EXPECT_EQ(Refused("{\n// \xFF\n}"), "gemel.json: line 2, column 4: not UTF-8 (byte 0xff)");
  EXPECT_EQ(Refused("{\"root\": \"\xC0\xAF\"}"),
            "gemel.json: line 1, column 11: not UTF-8 (byte 0xc0)");
  EXPECT_THAT(Refused(std::string("\xFF\xFE{\0}\0", 6)), HasSubstr("not UTF-8"));
}

TEST(DocumentTest, KeyGivenTwiceIsRefusedByItsPath) {
  EXPECT_EQ(Refused(R"({"mqtt": {"uri": "a", "uri": "b"}})"), "gemel.json: mqtt.uri: given twice");
  EXPECT_EQ(Refused(R"({"routes": [{}, {"qos": 1, "qos": 1}]})"),
            "gemel.json: routes[1].qos: given twice");
  EXPECT_EQ(Refused(R"({"models": [{"parameters": {"a b": 1, "a b": 2}}]})"),
            "gemel.json: models[0].parameters.\"a b\": given twice");
}

TEST(DocumentTest, DepthIsBounded) {
  EXPECT_EQ(Refused(std::string(100'000, '[')), "gemel.json: nested deeper than 64 levels");
  std::string nested = std::string(61, '[') + std::string(61, ']');
  Accepted(R"({"models": [{"name": "m", "plugin": "p", "parameters": {"x": )" +
           nested.substr(1, nested.size() - 2) + "}}]}");
}

TEST(DocumentTest, OtherDocumentsThanAnObjectAreRefused) {
  EXPECT_EQ(Refused("[]"), "gemel.json: must be an object, not an array");
  EXPECT_EQ(Refused("null"), "gemel.json: must be an object, not null");
  EXPECT_EQ(Refused("5"), "gemel.json: must be an object, not 5");
}

TEST(DocumentTest, MessageStaysShortForAnyText) {
  EXPECT_LT(Refused("{\"" + std::string(1'000'000, 'k') + "\": 1}").size(), 300u);
  EXPECT_LT(Refused("{\"a\n" + std::string(1'000'000, 'k') + "\": 1}").size(), 300u);
  EXPECT_LT(Refused("{\"root\": \"" + std::string(1'000'000, 'k') + "\"}").size(), 300u);
  EXPECT_LT(Refused("{" + std::string(1'000'000, 'k') + "}").size(), 300u);
  EXPECT_LT(Refused("{\"shards\": " + std::string(1'000'000, '9') + "}").size(), 300u);
}

}  // namespace
}  // namespace gemel::config
