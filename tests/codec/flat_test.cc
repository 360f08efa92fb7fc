#include "gateway/codec/flat.h"

#include <random>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "gateway/codec/json.h"
#include "gateway/codec/scalar.h"

namespace gemel::codec {
namespace {

Trie Wanted() {
  Trie trie;
  for (const char* key : {"a", "b"}) trie.set_leaf(trie.Add({key}), 0);
  trie.Pack();
  return trie;
}

// The members "a" and "b", one behind the other, or what it is instead.
template <Unasked unasked = Unasked::kCheck>
std::string Read(std::string text) {
  static const Trie kWanted = Wanted();
  std::string seen;
  const std::string_view padded = Pad(text);
  const Flat outcome = ReadFlat<unasked>(padded, kWanted.ChildrenOf(Trie::kRoot),
                                         [&](uint32_t /*node*/, const Scalar& value) {
                                           char buffer[kNumberBytesMax];
                                           if (!seen.empty()) seen += ' ';
                                           seen += TextOf(value, buffer);
                                           return seen.find("stop") == std::string::npos;
                                         });
  if (outcome == Flat::kNot) return "not flat";
  return outcome == Flat::kStopped ? seen + " ..." : seen;
}

// What stands as the value of a member.
std::string ReadValue(const std::string& json) { return Read("{\"a\":" + json + "}"); }

TEST(FlatTest, ReadsScalarsInOrder) {
  EXPECT_EQ(Read(R"({"a":1,"c":[0],"b":2})"), "not flat");
  EXPECT_EQ(Read(R"({"a":1,"c":0,"b":"two"})"), "1 two");
  EXPECT_EQ(Read(R"({"b":true,"a":null})"), "true null");
  EXPECT_EQ(Read(" {\t\"a\" : -1.5 ,\r\n\"b\":false } \n"), "-1.5 false");
  EXPECT_EQ(Read("{}"), "");
  EXPECT_EQ(Read(" { } "), "");
}

TEST(FlatTest, StopsWhereItIsTold) { EXPECT_EQ(Read(R"({"a":"stop","b":)"), "stop ..."); }

TEST(FlatTest, ReadsNumbersThatNeedNoRounding) {
  for (const char* number : {"0", "-1", "123456789012345678", "-999999999999999999", "0.5",
                             "-0.001", "122.33183", "90071992547.40991"}) {
    EXPECT_EQ(ReadValue(number), number);
  }
  EXPECT_EQ(ReadValue("-0"), "0");
  EXPECT_EQ(ReadValue("5.0"), "5");
}

TEST(FlatTest, LeavesNumbersThatTakeCareToOthers) {
  for (const char* number :
       {"1234567890123456789", "9007199254740993.5", "1e3", "1e400", "1E2", "1.5e2",
        "0.1234567890123456789", "100000000000000000.55", "18446744073709551615"}) {
    EXPECT_EQ(ReadValue(number), "not flat") << number;
  }
}

TEST(FlatTest, RefusesWhatIsNoValue) {
  for (const char* json :
       {"",      "01",  "-",     "+1",     "1.", ".5", "1..2", "1-2", "0x10", "NaN", "tru",
        "truex", "nul", "nulll", "falsee", "[]", "{}", "'x'",  "\"x", "1 2",  "1,",  ",1"}) {
    EXPECT_EQ(ReadValue(json), "not flat") << json;
  }
}

TEST(FlatTest, LeavesTextsThatAreNotPlainToOthers) {
  for (const char* json :
       {R"("a\nb")", R"("\u0041")", R"("\"")", "\"\xc3\xa4\"", "\"\xff\"", "\"\t\"",
        R"("12345678901234567890123456789\\")", "\"1234567890123456\xc3\xa4\""}) {
    EXPECT_EQ(ReadValue(json), "not flat") << json;
  }
  EXPECT_EQ(ReadValue("\"\""), "");
  EXPECT_EQ(ReadValue("\"a text that is longer than any step\x7f\""),
            "a text that is longer than any step\x7f");
}

TEST(FlatTest, RefusesWhatIsNoObject) {
  for (const char* json :
       {"", " ", "1", "[1]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
        "{\"a\" 1}", "{a:1}", "{\"a\":1}}", "{\"a\":1}{}", "{\"a\":1} x", "{\"a\":1;\"b\":2}",
        "{,}", "\xEF\xBB\xBF{}"}) {
    EXPECT_EQ(Read(json), "not flat") << json;
  }
}

// A record's text is followed by others, not by zeros.
TEST(FlatTest, NeverUsesWhatStandsBehindTheText) {
  const std::string whole = R"({"a":12.5,"b":"text","c":true})" + std::string(kPadding, ' ');
  const size_t size = whole.find('}') + 1;
  for (size_t cut = 0; cut < size; ++cut) {
    const Trie wanted = Wanted();
    const Flat outcome = ReadFlat<Unasked::kCheck>(
        std::string_view(whole).substr(0, cut), wanted.ChildrenOf(Trie::kRoot),
        [](uint32_t /*node*/, const Scalar& /*value*/) { return true; });
    EXPECT_EQ(outcome, Flat::kNot) << cut;
  }
}

TEST(FlatTest, KeepsTheLimitsOfMembersAndKeys) {
  const auto with_members = [](size_t count) {
    std::string text = "{\"a\":1";
    for (size_t i = 1; i < count; ++i) text += fmt::format(",\"k{}\":0", i);
    return text + "}";
  };
  EXPECT_EQ(Read(with_members(kPayloadMembersMax)), "1");
  EXPECT_EQ(Read(with_members(kPayloadMembersMax + 1)), "not flat");
  EXPECT_EQ(Read("{\"" + std::string(kPayloadKeyBytesMax, 'k') + "\":0,\"a\":1}"), "1");
  EXPECT_EQ(Read("{\"" + std::string(kPayloadKeyBytesMax + 1, 'k') + "\":0,\"a\":1}"), "not flat");
}

TEST(FlatTest, SkipsWhatNobodyAskedForUnlessItCouldHideAMember) {
  EXPECT_EQ(Read<Unasked::kSkip>(R"({"c":tru ,"a":1,"d":"x,y}","b":2})"), "1 2");
  EXPECT_EQ(Read<Unasked::kSkip>(R"({"c":[1,2],"a":1})"), "not flat");
  EXPECT_EQ(Read<Unasked::kSkip>(R"({"c":{"a":3},"a":1})"), "not flat");
  EXPECT_EQ(Read<Unasked::kSkip>(R"({"c":1"a":1})"), "not flat");
  EXPECT_EQ(Read<Unasked::kSkip>(R"({"c":1)"), "not flat");
}

#ifdef __SSE2__
TEST(FlatTest, WordsAndVectorsFindTheSamePlaces) {
  std::mt19937 random(1);
  const std::string_view likely = "\"\\,}{[ \n\x1f\x20\x7f\x80\xff#-";
  for (int round = 0; round < 100'000; ++round) {
    char bytes[16];
    for (char& byte : bytes) {
      byte = random() % 8 == 0 ? likely[random() % likely.size()]
                               : static_cast<char>('a' + random() % 26);
    }
    const auto in_words = [&](size_t (*find)(const char*)) {
      const size_t first = find(bytes);
      return first < 8 ? first : 8 + find(bytes + 8);
    };
    const std::string_view shown(bytes, sizeof bytes);
    ASSERT_EQ(flat::Vectors::EndOfPlainText(bytes), in_words(&flat::Words::EndOfPlainText))
        << shown;
    ASSERT_EQ(flat::Vectors::EndOfScalar(bytes), in_words(&flat::Words::EndOfScalar)) << shown;
  }
}
#endif

}  // namespace
}  // namespace gemel::codec
