#include "gateway/codec/binary.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/base/limits.h"
#include "tests/codec/table.h"

namespace gemel::codec {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

std::string Bytes(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::string Converted(Codec codec, std::string_view bytes) {
  std::string out = "left over";
  const auto refused = ToJson(codec, bytes, out);
  return refused ? "! " + refused->detail : out;
}

std::string Cbor(std::string_view hex) { return Converted(Codec::kCbor, FromHex(hex)); }
std::string Msgpack(std::string_view hex) { return Converted(Codec::kMsgpack, FromHex(hex)); }

// A document of every kind of value that JSON has.
json RandomDocument(std::mt19937& random, int depth) {
  switch (random() % (depth > 4 ? 8 : 10)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random()) - (int64_t{1} << 31);
    case 3:
      return std::numeric_limits<uint64_t>::max() - random();
    case 4:
      return std::numeric_limits<int64_t>::min() + random();
    case 5:
      return static_cast<double>(random()) / 7;
    case 6:
      return std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 1'500) - 750);
    case 7:
      return std::string(random() % 300, 'a') + "\u0141\"\\\n🚚";
    case 8: {
      json array = json::array();
      for (size_t i = random() % 20; i > 0; --i) array.push_back(RandomDocument(random, depth + 1));
      return array;
    }
    default: {
      json object = json::object();
      for (size_t i = random() % 20; i > 0; --i) {
        object["k" + std::to_string(random())] = RandomDocument(random, depth + 1);
      }
      return object;
    }
  }
}

TEST(BinaryTest, ReadsWhatAnotherWriterWrote) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    const json document = RandomDocument(random, 0);
    ASSERT_EQ(json::parse(Converted(Codec::kCbor, Bytes(json::to_cbor(document)))), document);
    ASSERT_EQ(json::parse(Converted(Codec::kMsgpack, Bytes(json::to_msgpack(document)))), document);
  }
}

TEST(BinaryTest, DecodesAsJsonDoes) {
  const std::string text =
      R"({"speed_kmh":88.5,"odometer_m":9007199254740993,"is_open":true,"name":"🚚","lat":1e300})";
  const json document = json::parse(text);
  Decoder decoder;
  const FieldMap map = Compiled({});
  const std::string expected = Decoded(decoder, map, Codec::kJson, text);
  EXPECT_EQ(Decoded(decoder, map, Codec::kCbor, Bytes(json::to_cbor(document))), expected);
  EXPECT_EQ(Decoded(decoder, map, Codec::kMsgpack, Bytes(json::to_msgpack(document))), expected);
  EXPECT_EQ(Decoded(decoder, map, Codec::kCbor, FromHex("80")),
            "! the payload is an array; wanted is an object");
  EXPECT_THAT(Decoded(decoder, map, Codec::kCbor, FromHex("a2636c617401636c617402")),
              HasSubstr("stands twice"));
}

// Examples of RFC 8949, appendix A.
TEST(CborTest, ReadsTheExamplesOfItsStandard) {
  EXPECT_EQ(Cbor("1bffffffffffffffff"), "18446744073709551615");
  EXPECT_EQ(Cbor("3903e7"), "-1000");
  EXPECT_EQ(Cbor("3b7fffffffffffffff"), "-9223372036854775808");
  EXPECT_EQ(Cbor("f93c00"), "1");
  EXPECT_EQ(Cbor("f97bff"), "65504");
  EXPECT_EQ(Cbor("f90001"), "5.960464477539063e-08");
  EXPECT_EQ(Cbor("f9c400"), "-4");
  EXPECT_EQ(Cbor("fa47c35000"), "100000");
  EXPECT_EQ(Cbor("fb3ff199999999999a"), "1.1");
  EXPECT_EQ(Cbor("fb7e37e43c8800759c"), "1e+300");
  EXPECT_EQ(Cbor("f4"), "false");
  EXPECT_EQ(Cbor("f7"), "null");
  EXPECT_EQ(Cbor("f8ff"), "null");
  EXPECT_EQ(Cbor("c074323031332d30332d32315432303a30343a30305a"), "\"2013-03-21T20:04:00Z\"");
  EXPECT_EQ(Cbor("c11a514b67b0"), "1363896240");
  EXPECT_EQ(Cbor("4401020304"), "\"AQIDBA\"");
  EXPECT_EQ(Cbor("64f0908591"), "\"𐅑\"");
  EXPECT_EQ(Cbor("a201020304"), "{\"1\":2,\"3\":4}");
  EXPECT_EQ(Cbor("9f018202039f0405ffff"), "[1,[2,3],[4,5]]");
  EXPECT_EQ(Cbor("bf61610161629f0203ffff"), "{\"a\":1,\"b\":[2,3]}");
  EXPECT_EQ(Cbor("7f657374726561646d696e67ff"), "\"streaming\"");
  EXPECT_EQ(Cbor("5f42010243030405ff"), "\"AQIDBAU\"");
}

TEST(CborTest, RefusesWhatIsMalformed) {
  for (const char* hex : {"",
                          "18",
                          "1900",
                          "1c",
                          "1f",
                          "3f",
                          "61",
                          "62ff",
                          "62c328",
                          "7f",
                          "7f6161",
                          "7f4101ff",
                          "7f7fffff",
                          "81",
                          "8201",
                          "9f",
                          "a1",
                          "a101",
                          "bf01ff",
                          "a1f401",
                          "a18001",
                          "f81f",
                          "ff",
                          "81ff",
                          "df01",
                          "c0",
                          "0000",
                          "f97c00",
                          "f97e00",
                          "fa7f800000",
                          "3bffffffffffffffff",
                          "fb7ff8000000000000",
                          "f0ff",
                          "a1ff01"}) {
    EXPECT_THAT(Cbor(hex), StartsWith("! ")) << hex;
  }
}

TEST(CborTest, BelievesNoLength) {
  for (const char* hex :
       {"9bffffffffffffffff", "bbffffffffffffffff", "5bffffffffffffffff", "7bffffffffffffffff",
        "9a7fffffff", "9b0000000100000000", "5a7fffffff41", "b97fff6161"}) {
    EXPECT_THAT(Cbor(hex), HasSubstr("ends too early")) << hex;
  }
}

TEST(CborTest, IsNeverDeeperThanAllowed) {
  EXPECT_THAT(Converted(Codec::kCbor, std::string(100'000, '\x81')), HasSubstr("too deeply"));
  EXPECT_THAT(Converted(Codec::kCbor, std::string(100'000, '\x9f')), HasSubstr("too deeply"));
  EXPECT_THAT(Converted(Codec::kCbor, std::string(100'000, '\x7f')), HasSubstr("piece of a text"));
  EXPECT_THAT(Converted(Codec::kCbor, std::string(100'000, '\x5f')), HasSubstr("piece of a text"));
  EXPECT_EQ(Converted(Codec::kCbor, std::string(100'000, '\xc1') + '\x05'), "5");
  EXPECT_EQ(Converted(Codec::kCbor, std::string(kPayloadDepthMax, '\x81') + '\x05').back(), ']');
  EXPECT_THAT(Converted(Codec::kCbor, std::string(kPayloadDepthMax + 1, '\x81') + '\x05'),
              HasSubstr("too deeply"));
}

TEST(MsgpackTest, ReadsEveryFormat) {
  EXPECT_EQ(Msgpack("7f"), "127");
  EXPECT_EQ(Msgpack("e0"), "-32");
  EXPECT_EQ(Msgpack("ccff"), "255");
  EXPECT_EQ(Msgpack("cfffffffffffffffff"), "18446744073709551615");
  EXPECT_EQ(Msgpack("d080"), "-128");
  EXPECT_EQ(Msgpack("d1ff00"), "-256");
  EXPECT_EQ(Msgpack("d2ffffffff"), "-1");
  EXPECT_EQ(Msgpack("d38000000000000000"), "-9223372036854775808");
  EXPECT_EQ(Msgpack("ca3fc00000"), "1.5");
  EXPECT_EQ(Msgpack("cb3ff199999999999a"), "1.1");
  EXPECT_EQ(Msgpack("a3616263"), "\"abc\"");
  EXPECT_EQ(Msgpack("d903616263"), "\"abc\"");
  EXPECT_EQ(Msgpack("da0003616263"), "\"abc\"");
  EXPECT_EQ(Msgpack("db00000003616263"), "\"abc\"");
  EXPECT_EQ(Msgpack("c403010203"), "\"AQID\"");
  EXPECT_EQ(Msgpack("d4ff01"), "\"AQ\"");
  EXPECT_EQ(Msgpack("c702ff0102"), "\"AQI\"");
  EXPECT_EQ(Msgpack("9301c0c3"), "[1,null,true]");
  EXPECT_EQ(Msgpack("dc000101"), "[1]");
  EXPECT_EQ(Msgpack("dd0000000101"), "[1]");
  EXPECT_EQ(Msgpack("82a161010502"), "{\"a\":1,\"5\":2}");
  EXPECT_EQ(Msgpack("de0001a161c2"), "{\"a\":false}");
  EXPECT_EQ(Msgpack("df00000001e0c2"), "{\"-32\":false}");
}

TEST(MsgpackTest, RefusesWhatIsMalformed) {
  for (const char* hex :
       {"",          "c1",   "cc",     "cd00",   "ca3fc000", "a3616", "a2c328",
        "d9",        "da00", "c4",     "c403",   "c7",       "c70",   "d4",
        "91",        "81",   "81a161", "81c001", "819001",   "0000",  "cb7ff8000000000000",
        "ca7f800000"}) {
    EXPECT_THAT(Msgpack(hex), StartsWith("! ")) << hex;
  }
}

TEST(MsgpackTest, BelievesNoLength) {
  for (const char* hex : {"ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff01",
                          "dcffff01", "deffffa161"}) {
    EXPECT_THAT(Msgpack(hex), HasSubstr("ends too early")) << hex;
  }
  EXPECT_THAT(Converted(Codec::kMsgpack, std::string(100'000, '\x91')), HasSubstr("too deeply"));
}

TEST(BinaryTest, SurvivesCutsAndFlippedBytes) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const json document = json::parse(R"({"a":[1,-2,3.5,null,true,"text"],"b":{"c":{"d":[[]]}}})");
  for (const Codec codec : {Codec::kCbor, Codec::kMsgpack}) {
    const bool is_cbor = codec == Codec::kCbor;
    const std::string whole = Bytes(is_cbor ? json::to_cbor(document) : json::to_msgpack(document));
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THAT(Converted(codec, std::string_view(whole).substr(0, size)), StartsWith("! "));
    }
    for (int i = 0; i < 5'000; ++i) {
      std::string broken = whole;
      broken[random() % broken.size()] = static_cast<char>(random());
      broken[random() % broken.size()] = static_cast<char>(random());
      const std::string text = Converted(codec, broken);
      ASSERT_TRUE(text.starts_with("! ") || json::accept(text)) << text;
    }
  }
}

}  // namespace
}  // namespace gemel::codec
