#include "gateway/route/id.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/base/limits.h"

namespace gemel::route {
namespace {

using testing::HasSubstr;
using testing::Optional;

std::string Encoded(std::string_view raw) {
  std::string out = "left over";
  const auto problem = EncodeId(raw, out);
  return problem ? "refused" : out;
}

TEST(IdTest, AllowsNamesOfDevices) {
  for (const char* id : {"42", "truck42", "7c:c6:b6:7f:48:ed", "a8404187d187106e", "Łukasz", "🚚",
                         "a b", "my-motion-sensors@ttn", "...", "%2F", "e\u0301", "\u00e9"}) {
    EXPECT_EQ(CheckId(id), std::nullopt) << id;
  }
  EXPECT_EQ(CheckId(std::string(kIdBytesMax, 'x')), std::nullopt);
}

TEST(IdTest, RefusesWildcardsPathsAndQuotes) {
  for (const char* id :
       {"", "+", "a#", "a/b", ".", "..", "a\"b", "a'b", "<script>", "a`b", "a\\b"}) {
    EXPECT_NE(CheckId(id), std::nullopt) << id;
  }
  EXPECT_NE(CheckId(std::string(kIdBytesMax + 1, 'x')), std::nullopt);
}

TEST(IdTest, RefusesWhatCannotBeSeen) {
  for (const char* id : {"a\nb", "a\x7f", "a\u0085", "a\u200b", "\u202eabc", "a\u2060", "\ufeffa",
                         "a\ufffe", " a", "a ", "\u00a0a", "a\u3000"}) {
    EXPECT_NE(CheckId(id), std::nullopt) << id;
  }
  EXPECT_NE(CheckId(std::string_view("a\0b", 3)), std::nullopt);
}

TEST(IdTest, RefusesWhatIsNotUtf8) {
  for (const char* id : {"\xc0\xaf", "\xed\xa0\x80", "a\xff", "\xe2\x82"}) {
    EXPECT_THAT(CheckId(id), Optional(HasSubstr("not UTF-8")));
  }
}

TEST(IdTest, SaysWhatIsWrongWithoutRepeatingIt) {
  EXPECT_THAT(CheckId("a+b"), Optional(HasSubstr("has '+'")));
  EXPECT_THAT(CheckId("a\u202eb"), Optional(HasSubstr("U+202E")));
  EXPECT_EQ(CheckId("a\nERROR")->find('\n'), std::string::npos);
}

TEST(IdTest, EncodesUnsafeBytesOfPayloads) {
  EXPECT_EQ(Encoded("ward/3/door"), "ward%2F3%2Fdoor");
  EXPECT_EQ(Encoded("100%"), "100%25");
  EXPECT_EQ(Encoded("a\nb"), "a%0Ab");
  EXPECT_EQ(Encoded(" a "), "%20a%20");
  EXPECT_EQ(Encoded("a b"), "a b");
  EXPECT_EQ(Encoded("\u202ea"), "%E2%80%AEa");
  EXPECT_EQ(Encoded("<b>"), "%3Cb%3E");
  EXPECT_EQ(Encoded("00012345"), "00012345");
}

TEST(IdTest, EncodesDifferentIdsDifferently) { EXPECT_NE(Encoded("a/b"), Encoded("a%2Fb")); }

TEST(IdTest, DecodesWhatItHasEncoded) {
  for (const char* raw : {"a", "ward/3/door", "100%", "100%25", "%2", "a%zz", "a\nb", " a ", "<b>",
                          "a b", "\u202ea", "00012345"})
    EXPECT_EQ(DecodeId(Encoded(raw)), raw);
  for (const char* written_by_hand : {"%", "%4", "%zz", "50%"})
    EXPECT_EQ(DecodeId(written_by_hand), written_by_hand);
}

TEST(IdTest, DoesNotEncodeWhatIsRefused) {
  for (const char* raw : {"", "a+b", "#", ".", "..", "a\xff"})
    EXPECT_EQ(Encoded(raw), "refused") << raw;
  EXPECT_EQ(Encoded(std::string_view("a\0", 2)), "refused");
  EXPECT_EQ(Encoded(std::string(kIdBytesMax / 3 + 1, '/')), "refused");
  EXPECT_EQ(Encoded(std::string(1'000'000, 'x')), "refused");
}

TEST(TopicTest, AllowsWhatDevicesUse) {
  for (const char* topic : {"fleet/wa/truck/42/telemetry", "a", "a//b", "/a", "Łódź/🚚",
                            "shelly-blu/events/7c:c6:b6:7f:48:ed", "homie/super-car/$state"}) {
    EXPECT_EQ(CheckTopic(topic), std::nullopt) << topic;
  }
}

TEST(TopicTest, RefusesLongDeepAndBrokenOnes) {
  EXPECT_NE(CheckTopic(""), std::nullopt);
  EXPECT_NE(CheckTopic(std::string(65'535, 'x')), std::nullopt);
  EXPECT_NE(CheckTopic(std::string(198, '/')), std::nullopt);
  EXPECT_EQ(CheckTopic(std::string(kTopicLevelsMax - 1, '/')), std::nullopt);
  EXPECT_NE(CheckTopic(std::string(kTopicLevelsMax, '/')), std::nullopt);
  EXPECT_NE(CheckTopic("a/\xc3(/b"), std::nullopt);
  EXPECT_NE(CheckTopic("a\nb"), std::nullopt);
  EXPECT_NE(CheckTopic(std::string_view("a\0b", 3)), std::nullopt);
}

}  // namespace
}  // namespace gemel::route
