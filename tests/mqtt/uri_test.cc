#include "gateway/mqtt/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::mqtt {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(std::string_view text) {
  const Result<Uri> uri = ParseUri(text);
  if (uri.ok()) return "accepted as " + uri->Text();
  EXPECT_EQ(uri.status().code(), Code::kInvalid);
  return uri.status().message();
}

TEST(UriTest, GivesHostAndPortAndThePahoForm) {
  const Result<Uri> uri = ParseUri("mqtt://127.0.0.1:1884");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->host, "127.0.0.1");
  EXPECT_EQ(uri->port, 1884);
  EXPECT_FALSE(uri->is_tls);
  EXPECT_EQ(uri->ForPaho(), "tcp://127.0.0.1:1884");
  EXPECT_EQ(uri->Text(), "mqtt://127.0.0.1:1884");
}

TEST(UriTest, WithoutAPortTakesTheUsualOne) {
  EXPECT_EQ(ParseUri("mqtt://broker.example")->port, 1883);
  EXPECT_EQ(ParseUri("mqtts://broker.example/")->port, 8883);
  EXPECT_EQ(ParseUri("mqtts://broker.example")->ForPaho(), "ssl://broker.example:8883");
}

TEST(UriTest, TakesIpv6InBrackets) {
  const Result<Uri> uri = ParseUri("mqtts://[::1]:8884");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->host, "::1");
  EXPECT_EQ(uri->port, 8884);
  EXPECT_EQ(uri->HostPort(), "[::1]:8884");
  EXPECT_EQ(uri->ForPaho(), "ssl://[::1]:8884");
  EXPECT_EQ(ParseUri("mqtt://[fe80::1%eth0]")->port, 1883);
}

TEST(UriTest, RefusesWhatIsNoBrokerAndSaysWhatIsAllowed) {
  for (const char* text : {"",
                           "mqtt",
                           "mqtt://",
                           "127.0.0.1:1883",
                           "tcp://a:1",
                           "MQTT://a",
                           "mqtt://a:",
                           "mqtt://a:0",
                           "mqtt://a:65536",
                           "mqtt://a:1x",
                           "mqtt://a:-1",
                           "mqtt://a:+1",
                           "mqtt://:1883",
                           "mqtt://::1:1883",
                           "mqtt://[::1",
                           "mqtt://[::1]1883",
                           "mqtt://[]:1",
                           "mqtt://[host]:1",
                           "mqtt://[127.0.0.1]:1",
                           "mqtt://[::::]:1",
                           "mqtt://[::1%]:1",
                           "mqtt://a b:1",
                           "mqtt://a\n:1",
                           "mqtt://a/topic",
                           "mqtt://a?x=1",
                           "mqtt://a#x",
                           "ws://a:1"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("'" + std::string(text) + "'")) << text;
    EXPECT_THAT(ErrorOf(text), HasSubstr("allowed: mqtt://host:port")) << text;
  }
  EXPECT_FALSE(ParseUri("mqtt://" + std::string(254, 'a')).ok());
}

TEST(UriTest, NeverShowsCredentials) {
  EXPECT_THAT(ErrorOf("mqtt://user:secret@host:1883"), Not(HasSubstr("secret")));
  EXPECT_THAT(ErrorOf("user:secret@host"), Not(HasSubstr("secret")));
  EXPECT_THAT(ErrorOf("mqtt://user:secret@host:1883"), HasSubstr("credentials"));
}

}  // namespace
}  // namespace gemel::mqtt
