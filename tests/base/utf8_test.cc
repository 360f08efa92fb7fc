#include "gateway/base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(Utf8Test, AcceptsWhatIsUtf8) {
  for (const char* text : {"", "a", "Łukasz", "🚚", "\x7f", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8(std::string(1'000, 'a') + "é"));
}

TEST(Utf8Test, RefusesOverlongFormsSurrogatesAndCutSequences) {
  for (const char* text :
       {"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xc3", "\xc3(", "\xe2\x82",
        "\xf0\x9f\x9a", "\xff"}) {
    EXPECT_FALSE(IsUtf8(text));
    EXPECT_FALSE(IsUtf8(std::string("12345678901234567") + text));
  }
}

TEST(Utf8Test, DecodesCharactersOfEveryLength) {
  EXPECT_EQ(NextCharacter("a").code, U'a');
  EXPECT_EQ(NextCharacter("é").code, U'é');
  EXPECT_EQ(NextCharacter("€").code, U'€');
  EXPECT_EQ(NextCharacter("🚚x").code, U'🚚');
  EXPECT_EQ(NextCharacter("🚚x").size, 4);
}

TEST(Utf8Test, CutsBetweenCharactersOnly) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abc", 2), "ab");
  EXPECT_EQ(CutUtf8("a€b", 3), "a");
  EXPECT_EQ(CutUtf8("a€b", 4), "a€");
  EXPECT_EQ(CutUtf8("€", 1), "");
  EXPECT_EQ(CutUtf8("\x80\x80", 1), "") << "not UTF-8 in the first place";
}

}  // namespace
}  // namespace gemel
