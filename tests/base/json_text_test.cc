#include "gateway/base/json_text.h"

#include <gtest/gtest.h>

#include "gateway/base/log.h"

namespace gemel {
namespace {

std::string Json(std::string_view text) {
  std::string out;
  AppendJsonText(text, out);
  return out;
}

TEST(JsonTextTest, QuotesControlsAndBackslashesAreEscaped) {
  EXPECT_EQ(Json("a\"b\\c\n\x01"), R"("a\"b\\c\u000a\u0001")");
}

TEST(JsonTextTest, Utf8StaysAsItIs) { EXPECT_EQ(Json("Zürich €"), "\"Zürich €\""); }

TEST(JsonTextTest, BytesThatAreNoUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(Json("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(Json("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(Json("\xC3"), "\"\xEF\xBF\xBD\"");
}

TEST(LogTest, AQuotedValueCantForgeALine) {
  EXPECT_EQ(log::Quoted("x\nlevel=error forged"), R"("x\u000alevel=error forged")");
}

}  // namespace
}  // namespace gemel
