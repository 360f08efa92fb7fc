#include "gateway/codec/envelope.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/limits.h"
#include "tests/codec/table.h"

namespace gemel::codec {
namespace {

using testing::HasSubstr;

// "id=a time=5 message=m sequence=1 region=wa payload" for each reading, one a line; or "! reason
// detail". The map is of the same codec.
std::string Read(const EnvelopeSpec& spec, std::string_view payload, FieldMapSpec map = {}) {
  map.codec = spec.codec;
  Result<Envelope> envelope = Envelope::Compile(spec, Compiled(map));
  EXPECT_TRUE(envelope.ok()) << envelope.status().message();
  EnvelopeReader reader;
  // Exactly as long as the payload: it need not be padded.
  const std::vector<char> bytes(payload.begin(), payload.end());
  const auto refused = reader.Read(*envelope, {bytes.data(), bytes.size()});
  if (refused) return fmt::format("! {} {}", RefusalName(refused->reason), refused->detail);
  std::string text;
  for (const Reading& reading : reader.readings()) {
    if (!text.empty()) text += '\n';
    if (reading.item > 0) text += fmt::format("{}: ", reading.item);
    if (!reading.id.empty()) text += fmt::format("id={} ", reading.id);
    if (reading.time_us) text += fmt::format("time={} ", *reading.time_us);
    if (reading.message_id) text += fmt::format("message={} ", *reading.message_id);
    if (reading.sequence) text += fmt::format("sequence={} ", *reading.sequence);
    for (uint32_t i = 0; i < reading.symbols; ++i) {
      const SymbolText& symbol = reader.symbols()[reading.first_symbol + i];
      text += fmt::format("{}={} ", TestTable()[symbol.field].name, symbol.text);
    }
    if (!reading.outer.empty()) text += fmt::format("outer={} ", reading.outer);
    text += reading.payload;
  }
  return text;
}

std::string Problem(const EnvelopeSpec& spec, const FieldMapSpec& map = {}) {
  const Result<Envelope> envelope = Envelope::Compile(spec, Compiled(map));
  EXPECT_FALSE(envelope.ok());
  return envelope.ok() ? "" : envelope.status().message();
}

TEST(EnvelopeTest, ReadsWhatIntakeNeeds) {
  const EnvelopeSpec spec = {.id = "/device/serial",
                             .time = "/ts",
                             .time_format = TimeFormat::kSeconds,
                             .message_id = "/mid",
                             .sequence = "/n"};
  EXPECT_EQ(Read(spec, R"({"device":{"serial":"a/b"},"ts":1.5,"mid":"m-1","n":7,"region":"wa"})"),
            "id=a/b time=1500000 message=m-1 sequence=7 region=wa "
            R"({"device":{"serial":"a/b"},"ts":1.5,"mid":"m-1","n":7,"region":"wa"})");
  EXPECT_EQ(Read(spec, R"({"device":{"serial":9534},"ts":"2","mid":12,"n":"8"})").substr(0, 43),
            "id=9534 time=2000000 message=12 sequence=8 ");
  EXPECT_EQ(Read({.id = "/id", .message_id = "/id"}, R"({"id":"x"})"),
            R"(id=x message=x {"id":"x"})");
}

TEST(EnvelopeTest, ReadsNothingWhereNothingIsWanted) {
  const FieldMapSpec lat = {.fields = {{.field = "lat"}}};
  EXPECT_EQ(Read({}, "no json", lat), "no json");
  EXPECT_EQ(Read({}, "", lat), "! payload_invalid empty payload");
}

TEST(EnvelopeTest, RefusesMissingAndOtherIds) {
  const EnvelopeSpec spec = {.id = "/id"};
  for (const char* json : {"{}", R"({"id":null})", R"({"id":""})", R"({"id":1.5})",
                           R"({"id":true})", R"({"id":{}})", R"({"id":["a"]})", R"({"ID":"a"})"}) {
    EXPECT_THAT(Read(spec, json), HasSubstr("! id_invalid id at \"/id\" is ")) << json;
  }
  EXPECT_THAT(Read(spec, R"({"id":"a","id":"b"})"), HasSubstr("! payload_invalid"));
  EXPECT_EQ(Read(spec, R"({"id":"00012345"})"), R"(id=00012345 {"id":"00012345"})");
}

TEST(EnvelopeTest, RefusesTimesThatAreNone) {
  const EnvelopeSpec iso = {.time = "/ts", .time_format = TimeFormat::kIso};
  EXPECT_EQ(Read(iso, R"({"ts":"1970-01-01T01:00:00+01:00"})"),
            R"(time=0 {"ts":"1970-01-01T01:00:00+01:00"})");
  EXPECT_EQ(Read(iso, R"({"ts":"2024-02-30T00:00:00Z","speed":1})"),
            R"(! time_invalid time at "/ts" is "2024-02-30T00:00:00Z"; wanted is a text such as )"
            R"("2024-03-01T10:00:00Z")");
  for (const char* json :
       {"{}", R"({"ts":null})", R"({"ts":0})", R"({"ts":"@0.000000s"})", R"({"ts":[]})"}) {
    EXPECT_THAT(Read(iso, json), HasSubstr("! time_invalid")) << json;
  }
  const EnvelopeSpec ms = {.time = "/ts", .time_format = TimeFormat::kMilliseconds};
  EXPECT_THAT(Read(ms, R"({"ts":-62135596800001})"), HasSubstr("! time_invalid"));
  EXPECT_THAT(Read(ms, R"({"ts":1700000000000000000})"), HasSubstr("! time_invalid"));
}

TEST(EnvelopeTest, LeavesOutRepeatKeysThatAreNotThere) {
  const EnvelopeSpec spec = {.message_id = "/m", .sequence = "/n"};
  EXPECT_EQ(Read(spec, "{}"), "{}");
  EXPECT_EQ(Read(spec, R"({"m":"","n":null})"), R"({"m":"","n":null})");
  EXPECT_THAT(Read(spec, R"({"m":{}})"), HasSubstr("! field_invalid message_id"));
  EXPECT_THAT(Read(spec, R"({"n":1.5})"), HasSubstr("! field_invalid sequence"));
  EXPECT_THAT(Read(spec, R"({"n":"x"})"), HasSubstr("! field_invalid sequence"));
}

TEST(EnvelopeTest, ReadsSymbolsAtTheirMappedPlaces) {
  const FieldMapSpec map = {
      .fields = {
          {.field = "region", .at = "/tags/r", .values = {{"1", "\"north\""}, {"2", "null"}}},
          {.field = "driver", .at = "/tags/d"}}};
  EXPECT_EQ(Read({}, R"({"tags":{"r":1,"d":"Ann"}})", map),
            R"(region=north driver=Ann {"tags":{"r":1,"d":"Ann"}})");
  EXPECT_EQ(Read({}, R"({"tags":{"r":2,"d":""}})", map), R"({"tags":{"r":2,"d":""}})");
  EXPECT_EQ(Read({}, R"({"tags":{"d":7}})", map), R"(driver=7 {"tags":{"d":7}})");
  EXPECT_EQ(Read({}, R"({"tags":{"d":true}})", map), R"(driver=true {"tags":{"d":true}})");
  EXPECT_THAT(Read({}, R"({"tags":{"r":3}})", map),
              HasSubstr("! field_invalid region: 3 is none of"));
  EXPECT_THAT(Read({}, R"({"tags":{"d":[]}})", map), HasSubstr("! field_invalid driver: an array"));
  const std::string longest(kSymbolBytesMax, 'x');
  EXPECT_THAT(Read({}, R"({"tags":{"d":")" + longest + R"("}})", map), HasSubstr("driver=xxx"));
  EXPECT_THAT(Read({}, R"({"tags":{"d":")" + longest + R"(x"}})", map),
              HasSubstr("! field_invalid driver"));
}

TEST(EnvelopeTest, SplitsArraysIntoTheTextsOfTheirItems) {
  const EnvelopeSpec spec = {.id = "/id", .time = "^/at", .items = "/list"};
  const FieldMapSpec map = {.fields = {{.field = "region", .at = "/r"},
                                       {.field = "driver", .at = "^/d"},
                                       {.field = "lat", .at = "^/gw/lat"},
                                       {.field = "name", .at = "^/gw/name"}}};
  EXPECT_EQ(
      Read(spec,
           R"({"gw":{"name":"a\"\\]","lat":1.50},"skip":[1,{"x":"]}"}],"at":7,"d":"Ann",
                     "list":[ {"id":1,"r":"wa","a":[1.10,"]"]} , {"id":"\u0062"}]})",
           map),
      R"(id=1 time=7000 region=wa driver=Ann outer={"/gw/lat":1.5,"/gw/name":"a\"\\]"} )"
      R"({"id":1,"r":"wa","a":[1.10,"]"]})"
      "\n"
      R"(1: id=b time=7000 driver=Ann outer={"/gw/lat":1.5,"/gw/name":"a\"\\]"} {"id":"\u0062"})");
  EXPECT_EQ(Read({.items = "/list"}, R"({"list":[]})"), "");
}

TEST(EnvelopeTest, TakesAMessageThatIsAnArray) {
  for (const char* items : {"", "."}) {
    EXPECT_EQ(Read({.id = "/id", .items = items}, R"([{"id":"a"},{"id":"b"}])"),
              "id=a {\"id\":\"a\"}\n1: id=b {\"id\":\"b\"}");
  }
  EXPECT_THAT(Read({.id = "/id", .items = ""}, R"({"id":"a"})"), HasSubstr("wanted is an array"));
}

TEST(EnvelopeTest, NamesTheItemThatIsWrong) {
  const EnvelopeSpec spec = {.id = "/id", .items = "/list"};
  EXPECT_THAT(Read(spec, R"({"list":[{"id":1},{"x":1}]})"),
              HasSubstr("! id_invalid item 1: id at"));
  EXPECT_EQ(Read(spec, R"({"list":[{"id":1},5]})"),
            "! payload_invalid item 1: 5; wanted is an object");
  EXPECT_THAT(Read(spec, R"({"list":[{"id":1,"id":2}]})"),
              HasSubstr("item 0: key \"id\" stands twice"));
  EXPECT_THAT(Read(spec, R"({"list":{}})"), HasSubstr("is an object; wanted is an array"));
  EXPECT_THAT(Read(spec, "{}"), HasSubstr("is nothing; wanted is an array"));
  EXPECT_THAT(Read(spec, R"({"list":[{"id":1},]})"), HasSubstr("! payload_invalid no JSON"));
}

TEST(EnvelopeTest, LimitsItemsAndTheMembersOfEach) {
  const auto items = [](size_t count, const std::string& item) {
    std::string json = "[";
    for (size_t i = 0; i < count; ++i) (json += i > 0 ? "," : "") += item;
    return json + "]";
  };
  const EnvelopeSpec spec = {.items = ""};
  const std::string read = Read(spec, items(kItemsMax, R"({"a":1})"));
  EXPECT_EQ(std::ranges::count(read, '\n'), kItemsMax - 1);
  EXPECT_THAT(Read(spec, items(kItemsMax + 1, "{}")), HasSubstr("over 4096 items"));
  std::string many = "{\"0\":0";
  for (size_t i = 1; i <= kPayloadMembersMax; ++i) many += fmt::format(",\"{}\":0", i);
  EXPECT_THAT(Read(spec, "[{}," + many + "}]"), HasSubstr("item 1: over 1000 members"));
}

TEST(EnvelopeTest, ReadsBinaryMessages) {
  const auto message = nlohmann::json::parse(R"({"id":"a","n":5,"list":[{"id":"b","lat":1.5}]})");
  const auto bytes = [](const std::vector<uint8_t>& of) {
    return std::string(of.begin(), of.end());
  };
  const std::string cbor = bytes(nlohmann::json::to_cbor(message));
  const std::string msgpack = bytes(nlohmann::json::to_msgpack(message));
  EXPECT_EQ(Read({.codec = Codec::kCbor, .id = "/id", .sequence = "/n"}, cbor),
            "id=a sequence=5 " + cbor);
  EXPECT_EQ(Read({.codec = Codec::kMsgpack, .id = "/id", .items = "/list"}, msgpack),
            R"(id=b {"id":"b","lat":1.5})");
  EXPECT_THAT(Read({.codec = Codec::kCbor, .id = "/id"}, cbor.substr(1)), HasSubstr("no CBOR"));
}

TEST(EnvelopeTest, TextPayloadsHaveAtMostASymbol) {
  const FieldMapSpec map = {.codec = Codec::kText, .text_field = "region"};
  EXPECT_EQ(Read({.codec = Codec::kText}, " wa\n", map), "region=wa  wa\n");
  EXPECT_THAT(Read({.codec = Codec::kText}, "\xff", map), HasSubstr("! payload_invalid"));
  EXPECT_THAT(Problem({.codec = Codec::kText, .id = "/id"}, map), HasSubstr("points to nothing"));
}

TEST(EnvelopeTest, RefusesMalformedPointers) {
  EXPECT_THAT(Problem({.id = "id"}), HasSubstr("id: JSON pointer \"id\" must begin with"));
  EXPECT_THAT(Problem({.time = "/a~2"}), HasSubstr("time: "));
  EXPECT_THAT(Problem({.items = "list"}), HasSubstr("items: "));
}

}  // namespace
}  // namespace gemel::codec
