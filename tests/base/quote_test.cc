#include "gateway/base/quote.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace gemel {
namespace {

TEST(QuoteTest, LeavesPlainTextReadable) {
  EXPECT_EQ(Quote("fast"), "\"fast\"");
  EXPECT_EQ(Quote(""), "\"\"");
  EXPECT_EQ(Quote("🚚 Łukasz"), "\"🚚 Łukasz\"");
}

TEST(QuoteTest, LetsNothingForeignOut) {
  EXPECT_EQ(Quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Quote("a\nlevel=error"), "\"a\\nlevel=error\"");
  EXPECT_EQ(Quote("\x1b[2J"), "\"\\u{1b}[2J\"");
  EXPECT_EQ(Quote("a\u202eb"), "\"a\\u{202e}b\"");
  EXPECT_EQ(Quote("a\xff"), "\"a\\xff\"");
  EXPECT_EQ(Quote(std::string_view("a\0b", 3)), "\"a\\u{0}b\"");
}

TEST(QuoteTest, KnowsInvisibleCharacters) {
  for (const char32_t value : {0x00u, 0x1Fu, 0x7Fu, 0x9Fu, 0x200Bu, 0x202Eu, 0x2060u, 0x2069u,
                               0xFEFFu, 0xFFF9u, 0xFDD0u, 0xFFFEu, 0x1FFFFu, 0x10FFFFu}) {
    EXPECT_TRUE(IsInvisible(value)) << std::hex << static_cast<uint32_t>(value);
  }
  for (const char32_t value : {0x20u, 0x7Eu, 0xA0u, 0x200Au, 0x2010u, 0x202Fu, 0x1F69Au, 0xFFFDu}) {
    EXPECT_FALSE(IsInvisible(value)) << std::hex << static_cast<uint32_t>(value);
  }
}

TEST(QuoteTest, CutsBetweenCharacters) {
  EXPECT_EQ(Quote("abcd", 3), "\"abc\"…");
  EXPECT_EQ(Quote("abc", 3), "\"abc\"");
  EXPECT_EQ(Quote("ab🚚", 3), "\"ab\"…");
  EXPECT_LT(Quote(std::string(1'000'000, 'x')).size(), 80u);
}

}  // namespace
}  // namespace gemel
