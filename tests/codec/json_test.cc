#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/base/limits.h"
#include "gateway/codec/rule.h"
#include "tests/codec/table.h"

namespace gemel::codec {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Nested(char open, char close, size_t depth) {
  return std::string(depth, open) + std::string(depth, close);
}

std::string Members(size_t count) {
  std::string json = "{";
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    json += '"' + std::to_string(i) + "\":0";
  }
  return json + '}';
}

void ExpectRefused(std::string_view payload) {
  EXPECT_THAT(DecodedJson(payload), StartsWith("! ")) << payload.substr(0, 100);
}

TEST(JsonTest, RefusesWhatIsNoJson) {
  for (const char* number : {"NaN",
                             "Infinity",
                             "-Infinity",
                             "0x10",
                             "01",
                             "+1",
                             "1.",
                             ".5",
                             "-",
                             "1e",
                             "1e+",
                             "--1",
                             "1e999999",
                             "1e400",
                             "-1e400",
                             "18446744073709551616",
                             "-9223372036854775809",
                             "1_000",
                             "1 2",
                             "nul",
                             "True",
                             "'a'",
                             "undefined",
                             "\"\\x41\"",
                             "\"\\u12\"",
                             "\"a\tb\"",
                             "\"a"}) {
    ExpectRefused("{\"speed_kmh\":" + std::string(number) + "}");
    ExpectRefused("{\"other\":" + std::string(number) + "}");
    ExpectRefused("{\"other\":[1,{\"x\":" + std::string(number) + "}]}");
  }
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "{}}",
                           "{}{}",
                           "{} {}",
                           "{},",
                           "[",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{1:2}",
                           "{a:1}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\":[1,]}",
                           "{\"a\":[1}",
                           "{\"a\":1]",
                           "{}x",
                           "x{}",
                           "// a\n{}",
                           "{/**/}",
                           "{}\x01"}) {
    ExpectRefused(text);
  }
  ExpectRefused(std::string_view("{}\0", 3));
  ExpectRefused("{\"speed_kmh\":" + std::string(10'000, '9') + "}");
}

TEST(JsonTest, RefusesOtherDocumentsThanObjects) {
  EXPECT_EQ(DecodedJson("null"), "! the payload is null; wanted is an object");
  EXPECT_EQ(DecodedJson("[]"), "! the payload is an array; wanted is an object");
  EXPECT_EQ(DecodedJson("\"text\""), "! the payload is \"text\"; wanted is an object");
  EXPECT_EQ(DecodedJson("1"), "! the payload is 1; wanted is an object");
}

TEST(JsonTest, AcceptsNumbersAtTheEdges) {
  EXPECT_EQ(DecodedJson(R"({"speed_kmh":1.7976931348623157e308})"),
            "speed_kmh=1.7976931348623157e+308");
  EXPECT_EQ(DecodedJson(R"({"speed_kmh":1e-999})"), "speed_kmh=0");
  EXPECT_EQ(DecodedJson(R"({"speed_kmh":-0})"), "speed_kmh=0");
  EXPECT_EQ(DecodedJson("{\"speed_kmh\":0." + std::string(10'000, '3') + "}"),
            "speed_kmh=0.3333333333333333");
}

TEST(JsonTest, RefusesBadUnicodeWhereverItStands) {
  for (const char* text :
       {"\\ud83d", "\\ude9a", "\\ud83dx", "\\ud83d\\u0041", "\\ude9a\\ud83d", "\\uD800", "\xc3(",
        "\xff", "\xed\xa0\xbd", "\xc0\x80", "\xf4\x90\x80\x80"}) {
    const std::string quoted = '"' + std::string(text) + '"';
    ExpectRefused("{\"name\":" + quoted + "}");
    ExpectRefused("{\"other\":" + quoted + "}");
    ExpectRefused("{" + quoted + ":1}");
  }
  ExpectRefused("\xef\xbb\xbf{}");
  EXPECT_THAT(DecodedJson("\xef\xbb\xbf{}"), HasSubstr("byte order mark"));
  ExpectRefused("\xff\xfe{\0}\0");
}

TEST(JsonTest, LimitsDepth) {
  const auto deep = [](size_t depth) { return "{\"a\":" + Nested('[', ']', depth - 1) + "}"; };
  EXPECT_EQ(DecodedJson(deep(kPayloadDepthMax)), "");
  EXPECT_THAT(DecodedJson(deep(kPayloadDepthMax + 1)), HasSubstr("deeper than 32 levels"));
  EXPECT_THAT(DecodedJson(deep(200)), HasSubstr("deeper than 32 levels"));
  ExpectRefused(Nested('[', ']', 100'000));
  ExpectRefused(std::string(100'000, '['));
  std::string objects;
  for (size_t i = 0; i < 100'000; ++i) objects += "{\"a\":";
  ExpectRefused(objects);
}

TEST(JsonTest, LimitsMembersAndKeys) {
  EXPECT_EQ(DecodedJson(Members(kPayloadMembersMax)), "");
  EXPECT_THAT(DecodedJson(Members(kPayloadMembersMax + 1)), HasSubstr("over 1000 members"));
  EXPECT_THAT(DecodedJson("{\"a\":[" + Members(600) + "," + Members(600) + "]}"),
              HasSubstr("over 1000 members"));
  const auto keyed = [](size_t bytes) { return "{\"a\":{\"" + std::string(bytes, 'k') + "\":1}}"; };
  EXPECT_EQ(DecodedJson(keyed(kPayloadKeyBytesMax)), "");
  EXPECT_THAT(DecodedJson(keyed(kPayloadKeyBytesMax + 1)), HasSubstr("has 129 bytes"));
  ExpectRefused(keyed(1'000'000));
}

TEST(JsonTest, RefusesADocumentThatIsCutAnywhere) {
  const std::string whole =
      R"({"speed_kmh":88.5,"name":"\ud83d\ude9a","is_open":true,"x":{"y":[1,null,"z"]},"lat":1e3})";
  EXPECT_EQ(DecodedJson(whole), "speed_kmh=88.5 is_open=true name=🚚 lat=1000");
  for (size_t size = 0; size < whole.size(); ++size) ExpectRefused(whole.substr(0, size));
}

// What is refused or accepted does not matter here: it must not crash, and a good document must be
// read after it.
TEST(JsonTest, SurvivesFlippedBytes) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string whole =
      R"({"speed_kmh":88.5,"name":"\ud83d\ude9a","is_open":true,"x":{"y":[1,null,"z"]},"lat":1e3})";
  Decoder decoder;
  const FieldMap map = Compiled({});
  const std::string expected = Decoded(decoder, map, Codec::kJson, whole);
  for (int i = 0; i < 5'000; ++i) {
    std::string broken = whole;
    for (size_t flips = 1 + random() % 4; flips > 0; --flips) {
      broken[random() % broken.size()] = static_cast<char>(random());
    }
    Decoded(decoder, map, Codec::kJson, broken);
  }
  EXPECT_EQ(Decoded(decoder, map, Codec::kJson, whole), expected);
}

}  // namespace
}  // namespace gemel::codec
