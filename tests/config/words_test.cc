#include "gateway/config/words.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gemel::config {
namespace {

TEST(WordsTest, NearestIsWhatWasProbablyMeant) {
  const std::vector<std::string> keys = {"client_id", "uri", "keepalive", "qos"};
  EXPECT_EQ(Nearest("client_di", keys), "client_id");
  EXPECT_EQ(Nearest("keepalve", keys), "keepalive");
  EXPECT_EQ(Nearest("clientid", keys), "client_id");
  EXPECT_EQ(Nearest("url", keys), "uri");
  EXPECT_EQ(Nearest("wombat", keys), "");
  EXPECT_EQ(Nearest("", keys), "");
  EXPECT_EQ(Nearest("ab", keys), "");
  EXPECT_EQ(Nearest(std::string(1'000'000, 'q'), keys), "");
  EXPECT_EQ(Nearest("x", {}), "");
}

TEST(WordsTest, PathsQuoteWhatIsNoWord) {
  EXPECT_EQ(Joined("", "mqtt"), "mqtt");
  EXPECT_EQ(Joined(Joined(Joined("routes", 3), "fields"), "oil_c"), "routes[3].fields.oil_c");
  EXPECT_EQ(Joined("a", "b.c"), "a.\"b.c\"");
  EXPECT_EQ(Joined("a", ""), "a.\"\"");
}

TEST(WordsTest, PercentEncodingLeavesOnlySafeBytes) {
  EXPECT_EQ(PercentEncoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(PercentEncoded("bus/{id}/+ %"), "bus%2F%7Bid%7D%2F%2B%20%25");
  EXPECT_EQ(PercentEncoded(std::string_view("\0\xC3\xA4", 3)), "%00%C3%A4");
}

}  // namespace
}  // namespace gemel::config
