#include "gateway/http/target.h"

#include <gtest/gtest.h>

namespace gemel::http {
namespace {

using Path = std::vector<std::string>;

TEST(TargetTest, SegmentsAreDecodedOneByOne) {
  const auto target = ParseTarget("/api/v1/a%2Fb/%C3%A9+");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (Path{"api", "v1", "a/b", "é+"}));
  EXPECT_EQ(ParseTarget("/")->path, Path{""});
  EXPECT_EQ(ParseTarget("//")->path, (Path{"", ""}));
}

TEST(TargetTest, QueryIsDecodedInItsOrder) {
  const auto target = ParseTarget("/x?a=1&b=%26%3D&&c&a=2+3");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->query, (std::vector<std::pair<std::string, std::string>>{
                               {"a", "1"}, {"b", "&="}, {"c", ""}, {"a", "2 3"}}));
}

TEST(TargetTest, AbsoluteFormNamesItsAuthority) {
  EXPECT_EQ(ParseTarget("http://localhost:1/a")->authority, "localhost:1");
  EXPECT_EQ(ParseTarget("http://localhost:1")->path, Path{""});
  EXPECT_EQ(ParseTarget("http://localhost:1?a=b")->query.size(), 1u);
}

TEST(TargetTest, WhatIsNoPathIsNothing) {
  for (const char* text :
       {"", "*", "x", "ok/..", "?a", "http://", "https://h/", "/a#b", "/%", "/%4", "/%4g"}) {
    EXPECT_FALSE(ParseTarget(text)) << text;
  }
}

TEST(TargetTest, EncodingIsUndoneByParsing) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(ParseTarget("/" + PercentEncode(all))->path, Path{all});
  EXPECT_EQ(ParseTarget("/?x=" + PercentEncode(all))->query[0].second, all);
  EXPECT_EQ(PercentEncode("a-Z_0.~/ é"), "a-Z_0.~%2F%20%C3%A9");
}

}  // namespace
}  // namespace gemel::http
