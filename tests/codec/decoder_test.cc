#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/base/limits.h"
#include "tests/codec/table.h"
#include "tests/support/allocations.h"

namespace gemel::codec {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string DecodedBy(const FieldMapSpec& spec, std::string_view payload,
                      std::string_view outer = {}) {
  Decoder decoder;
  return Decoded(decoder, Compiled(spec), spec.codec, payload, outer);
}

// The value that a field gets from a payload of one member.
std::string Given(const std::string& field, const std::string& json) {
  return DecodedJson("{\"" + field + "\":" + json + "}");
}

TEST(DecoderTest, TakesFieldsUnderTheirOwnNames) {
  EXPECT_EQ(DecodedJson(R"( {"speed_kmh":88.5, "odometer_m":412345, "is_open":true,
                             "name":"abc", "other":[1,{"name":2}]} )"),
            "speed_kmh=88.5 odometer_m=412345 is_open=true name=abc");
  EXPECT_EQ(DecodedJson("{}"), "");
}

TEST(DecoderTest, LeavesOutNullsSymbolsAndWhatTelemetryDoesNotFill) {
  EXPECT_EQ(DecodedJson(R"({"speed_kmh":null,"region":"wa","topic_part":"x","mood":"a","lat":1})"),
            "lat=1");
}

TEST(DecoderTest, NumbersServeDoubles) {
  EXPECT_EQ(Given("speed_kmh", "53"), "speed_kmh=53");
  EXPECT_EQ(Given("speed_kmh", "-0.0"), "speed_kmh=-0");
  EXPECT_EQ(Given("speed_kmh", "1e3"), "speed_kmh=1000");
  EXPECT_EQ(Given("speed_kmh", "18446744073709551615"), "speed_kmh=1.8446744073709552e+19");
  EXPECT_EQ(Given("speed_kmh", R"("13.25")"), "speed_kmh=13.25");
  EXPECT_EQ(Given("speed_kmh", R"("-1E-2")"), "speed_kmh=-0.01");
  EXPECT_EQ(Given("speed_kmh", R"("fast")"), R"(! speed_kmh: "fast" is no number)");
  for (const char* json : {"true", "[1]", "{}", R"("")", R"(" 1")", R"("0x10")", R"("NaN")",
                           R"("1e400")", R"("+1")", R"("1.")", R"(".5")", R"("01")", R"("1,5")"}) {
    EXPECT_THAT(Given("speed_kmh", json), StartsWith("! speed_kmh: ")) << json;
  }
}

TEST(DecoderTest, IntegersAreExactOrRefused) {
  EXPECT_EQ(Given("odometer_m", "9007199254740993"), "odometer_m=9007199254740993");
  EXPECT_EQ(Given("odometer_m", "9223372036854775807"), "odometer_m=9223372036854775807");
  EXPECT_EQ(Given("odometer_m", "-9223372036854775807"), "odometer_m=-9223372036854775807");
  EXPECT_EQ(Given("odometer_m", "5.0"), "odometer_m=5");
  EXPECT_EQ(Given("odometer_m", "1e3"), "odometer_m=1000");
  EXPECT_EQ(Given("odometer_m", R"("42")"), "odometer_m=42");
  EXPECT_THAT(Given("odometer_m", "5.5"), HasSubstr("fraction"));
  for (const char* json :
       {"9223372036854775808", "-9223372036854775808", "1e19", "-1e19", "1e300"}) {
    EXPECT_THAT(Given("odometer_m", json), HasSubstr("64 bits")) << json;
  }
}

TEST(DecoderTest, BooleansAreTrueFalseZeroAndOne) {
  for (const char* json : {"true", "1", "1.0", R"("true")", R"("1")"}) {
    EXPECT_EQ(Given("is_open", json), "is_open=true") << json;
  }
  for (const char* json : {"false", "0", R"("false")"}) {
    EXPECT_EQ(Given("is_open", json), "is_open=false") << json;
  }
  for (const char* json : {"2", R"("ON")", R"("")", "[]"}) {
    EXPECT_THAT(Given("is_open", json), HasSubstr("no boolean")) << json;
  }
}

TEST(DecoderTest, TextsFitTheirField) {
  EXPECT_EQ(Given("name", R"("\ud83d\ude9a \u0141")"), "name=🚚 Ł");
  EXPECT_EQ(Given("name", R"("1234567890123456")"), "name=1234567890123456");
  EXPECT_THAT(Given("name", R"("12345678901234567")"), HasSubstr("17 bytes; at most 16"));
  EXPECT_EQ(Given("name", R"("a\u0000b")"), R"(! name: "a\u{0}b" has a NUL)");
  EXPECT_EQ(Given("name", "12.50"), "name=12.5");
  EXPECT_EQ(Given("name", "true"), "name=true");
  EXPECT_EQ(Given("name", R"("")"), "name=");
  EXPECT_THAT(Given("name", "{}"), HasSubstr("an object is no text"));
}

TEST(DecoderTest, ReadsTimesAsTheRouteSays) {
  const auto read = [](TimeFormat format, const std::string& json) {
    return DecodedBy({.time_format = format}, "{\"seen_us\":" + json + "}");
  };
  EXPECT_EQ(read(TimeFormat::kSeconds, "1736603810.49"), "seen_us=1736603810490000");
  EXPECT_EQ(read(TimeFormat::kSeconds, "1700000000"), "seen_us=1700000000000000");
  EXPECT_EQ(read(TimeFormat::kMilliseconds, "1700000000123"), "seen_us=1700000000123000");
  EXPECT_EQ(read(TimeFormat::kMilliseconds, R"("1700000000123")"), "seen_us=1700000000123000");
  EXPECT_EQ(read(TimeFormat::kMicroseconds, "-1"), "seen_us=-1");
  EXPECT_EQ(read(TimeFormat::kIso, R"("1970-01-01T00:00:01Z")"), "seen_us=1000000");
  EXPECT_THAT(read(TimeFormat::kIso, R"("2024-02-30T00:00:00Z")"), HasSubstr("is no time"));
  EXPECT_THAT(read(TimeFormat::kIso, "1700000000"), HasSubstr("is no time"));
  EXPECT_THAT(read(TimeFormat::kSeconds, "1700000000123"), HasSubstr("is no time"));
  EXPECT_THAT(read(TimeFormat::kSeconds, "1e300"), HasSubstr("is no time"));
  EXPECT_THAT(read(TimeFormat::kSeconds, "9223372036854775807"), HasSubstr("is no time"));
  EXPECT_THAT(read(TimeFormat::kSeconds, "true"), HasSubstr("is no time"));
}

TEST(DecoderTest, FollowsPointers) {
  const FieldMapSpec spec = {.fields = {{.field = "speed_kmh", .at = "/engine/a~1b/~0c"},
                                        {.field = "temp_c", .at = "/list/1"},
                                        {.field = "name", .at = "/switch:0"},
                                        {.field = "lat", .at = "/engine/a~1b/~0c"}}};
  EXPECT_EQ(DecodedBy(spec, R"({"engine":{"a/b":{"~c":5},"x":9},"list":[1,2,3],"switch:0":"on"})"),
            "speed_kmh=5 temp_c=2 name=on lat=5");
  EXPECT_EQ(DecodedBy(spec, R"({"engine":7,"list":{"1":6},"switch:0":null})"), "temp_c=6");
  EXPECT_EQ(DecodedBy(spec, R"({"engine":{"a/b":[]},"list":[1]})"), "");
}

TEST(DecoderTest, KnowsKeysHoweverTheyAreEscapedOrLong) {
  EXPECT_EQ(DecodedJson(R"({"\u0073peed_kmh":1})"), "speed_kmh=1");
  const std::string one = "first_eight_bytes_1_last_eight_bytes";
  const std::string other = "first_eight_bytes_2_last_eight_bytes";
  const FieldMapSpec spec = {
      .fields = {{.field = "lat", .at = "/" + one}, {.field = "lon", .at = "/" + other}}};
  EXPECT_EQ(DecodedBy(spec, "{\"" + other + "\":2,\"" + one + "\":1}"), "lat=1 lon=2");
  EXPECT_EQ(DecodedBy(spec, R"({"first_eight_bytes_3_last_eight_bytes":2})"), "");
}

TEST(DecoderTest, TakesAScalarThatMayBeAnArrayEitherWay) {
  const FieldMapSpec spec = {
      .fields = {{.field = "lat", .at = "/power"}, {.field = "lon", .at = "/power/0"}}};
  EXPECT_EQ(DecodedBy(spec, R"({"power":56})"), "lat=56");
  EXPECT_EQ(DecodedBy(spec, R"({"power":[52,5]})"), "lon=52");
}

TEST(DecoderTest, ConvertsUnits) {
  const FieldMapSpec spec = {.fields = {{.field = "temp_c", .at = "/t", .unit = "F"},
                                        {.field = "odometer_m", .at = "/odo", .unit = "km"}}};
  EXPECT_EQ(DecodedBy(spec, R"({"t":212,"odo":1.5})"), "temp_c=100 odometer_m=1500");
  EXPECT_EQ(DecodedBy(spec, R"({"odo":3.3})"), "odometer_m=3300");
  EXPECT_THAT(DecodedBy(spec, R"({"odo":1e300})"), HasSubstr("64 bits"));
  const FieldMapSpec far = {.fields = {{.field = "lat", .at = "/lat", .unit = "rad"}}};
  EXPECT_THAT(DecodedBy(far, R"({"lat":1e308})"), HasSubstr("too large"));
}

TEST(DecoderTest, NamedValuesComeFirst) {
  const FieldMapSpec spec = {
      .fields = {{.field = "is_open", .values = {{"ON", "true"}, {"OFF", "false"}}},
                 {.field = "temp_c", .unit = "F", .values = {{"127", "null"}, {"LOW", "-40"}}},
                 {.field = "name", .values = {{"a", "\"alpha\""}, {"1", "\"one\""}}}}};
  EXPECT_EQ(DecodedBy(spec, R"({"is_open":"ON","temp_c":"LOW","name":"a"})"),
            "temp_c=-40 is_open=true name=alpha");
  EXPECT_EQ(DecodedBy(spec, R"({"is_open":false,"temp_c":212,"name":1})"),
            "temp_c=100 is_open=false name=one");
  EXPECT_EQ(DecodedBy(spec, R"({"temp_c":127})"), "");
  EXPECT_EQ(DecodedBy(spec, R"({"temp_c":127.0})"), "");
  EXPECT_EQ(DecodedBy(spec, R"({"is_open":"maybe"})"),
            R"(! is_open: "maybe" is none of the route's values: "ON", "OFF")");
  EXPECT_THAT(DecodedBy(spec, R"({"name":"b"})"), HasSubstr("none of the route's values"));
  EXPECT_THAT(DecodedBy(spec, R"({"temp_c":[]})"), HasSubstr("none of the route's values"));
}

TEST(DecoderTest, ReadsOuterFieldsFromTheirObjectOrFromTheMessage) {
  const FieldMapSpec spec = {
      .fields = {{.field = "lat", .at = "/lat"}, {.field = "name", .at = "^/gw/name"}}};
  EXPECT_EQ(DecodedBy(spec, R"({"lat":1})", R"({"/gw/name":"g"})"), "name=g lat=1");
  EXPECT_EQ(DecodedBy(spec, R"({"lat":1,"gw":{"name":"g"}})"), "name=g lat=1");
  EXPECT_THAT(DecodedBy(spec, R"({"lat":1})", R"({"/gw/name":{}})"), HasSubstr("an object"));
}

TEST(DecoderTest, RefusesKeysThatComeTwiceOnlyOnTheWayToAField) {
  EXPECT_THAT(DecodedJson(R"({"speed_kmh":88,"speed_kmh":90})"), HasSubstr("stands twice"));
  EXPECT_THAT(DecodedJson(R"({"speed_kmh":88,"\u0073peed_kmh":90})"), HasSubstr("stands twice"));
  EXPECT_EQ(DecodedJson(R"({"x":88,"x":90,"a":{"lat":1},"b":{"lat":2},"lat":3})"), "lat=3");
  const FieldMapSpec spec = {
      .fields = {{.field = "lat", .at = "/p/lat"}, {.field = "lon", .at = "/p/lon"}}};
  EXPECT_THAT(DecodedBy(spec, R"({"p":{"lat":1},"p":{"lon":2}})"), HasSubstr("stands twice"));
}

TEST(DecoderTest, TextPayloadsFillOneField) {
  const FieldMapSpec power = {.codec = Codec::kText, .text_field = "speed_kmh"};
  EXPECT_EQ(DecodedBy(power, "153.42"), "speed_kmh=153.42");
  EXPECT_EQ(DecodedBy(power, " 153.42\r\n"), "speed_kmh=153.42");
  EXPECT_EQ(DecodedBy(power, "1e400"), R"(! speed_kmh: "1e400" is no number)");
  EXPECT_EQ(DecodedBy(power, ""), "! empty payload");
  EXPECT_EQ(DecodedBy(power, " \n"), "! empty payload");
  EXPECT_THAT(DecodedBy(power, "\xc3("), HasSubstr("not UTF-8"));
  EXPECT_EQ(DecodedBy({.codec = Codec::kText, .text_field = "is_open"}, "true"), "is_open=true");
  EXPECT_EQ(DecodedBy({.codec = Codec::kText, .text_field = "name"}, "on the way"),
            "name=on the way");
  const FieldMapSpec online = {
      .codec = Codec::kText,
      .text_field = "is_open",
      .fields = {{.field = "is_open", .values = {{"Online", "true"}, {"Offline", "false"}}}}};
  EXPECT_EQ(DecodedBy(online, "Online"), "is_open=true");
  EXPECT_EQ(DecodedBy(online, "Offline"), "is_open=false");
  EXPECT_THAT(DecodedBy(online, "lost"), HasSubstr("none of the route's values"));
}

TEST(DecoderTest, ScalarsServeSegmentsAndCells) {
  Decoder decoder;
  const auto scalar = [&](std::string_view field, std::string_view text) {
    gemel_value value;
    const auto refused = decoder.Scalar(TestTable()[Index(field)], text, value);
    return refused ? "! " + refused->detail : WrittenValue(value);
  };
  EXPECT_EQ(scalar("speed_kmh", "88.5"), "88.5");
  EXPECT_EQ(scalar("odometer_m", " 7 "), "7");
  EXPECT_EQ(scalar("is_open", "true"), "true");
  EXPECT_EQ(scalar("name", "abc"), "abc");
  EXPECT_EQ(scalar("region", "wa"), "wa");
  EXPECT_EQ(scalar("seen_us", "1700000000123"), "1700000000123000");
  EXPECT_EQ(scalar("seen_us", "1970-01-01"), "0");
  EXPECT_EQ(scalar("speed_kmh", ""), "null");
  EXPECT_EQ(scalar("speed_kmh", "fast"), R"(! speed_kmh: "fast" is no number)");
  EXPECT_THAT(scalar("name", "\xff"), HasSubstr("not UTF-8"));
  EXPECT_THAT(scalar("region", std::string(kSymbolBytesMax + 1, 'x')), HasSubstr("at most 128"));
}

TEST(DecoderTest, DoesNotAllocateOnceWarm) {
  Decoder decoder;
  const FieldMap map = Compiled({});
  const Padded payload(R"({"speed_kmh":88.5,"odometer_m":"7","name":1.25,"x":{"y":[1,2]}})");
  std::vector<gemel_value> values(map.table_size());
  EXPECT_FALSE(decoder.Decode(map, Codec::kJson, payload.view(), {}, values));
  const size_t before = support::Allocations();
  EXPECT_FALSE(decoder.Decode(map, Codec::kJson, payload.view(), {}, values));
  EXPECT_EQ(support::Allocations(), before);
}

TEST(DecoderTest, QuotesForeignTextInItsSentence) {
  EXPECT_EQ(Given("speed_kmh", R"("a\nb\u202e\"")"),
            R"(! speed_kmh: "a\nb\u{202e}\"" is no number)");
  EXPECT_LT(Given("speed_kmh", "\"" + std::string(10'000, 'x') + "\"").size(), 120u);
}

}  // namespace
}  // namespace gemel::codec
