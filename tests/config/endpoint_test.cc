#include "gateway/config/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/uri.h"

namespace gemel::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EndpointTest, HostAndPortAreSplit) {
  EXPECT_EQ(*ParseEndpoint("127.0.0.1:8080"), (Endpoint{.host = "127.0.0.1", .port = 8080}));
  EXPECT_EQ(*ParseEndpoint("localhost:0"), (Endpoint{.host = "localhost", .port = 0}));
  EXPECT_EQ(*ParseEndpoint("[::1]:65535"), (Endpoint{.host = "::1", .port = 65'535}));
  EXPECT_EQ(*ParseEndpoint("[fe80::1%eth0]:1"), (Endpoint{.host = "fe80::1%eth0", .port = 1}));
}

TEST(EndpointTest, AnythingElseIsRefused) {
  for (const char* text :
       {"",           ":",       "8080",           ":8080",      "host",           "host:",
        "host:65536", "host:-1", "host:+1",        "host:8080x", "host: 80",       "::1:80",
        "[::1]",      "[::1]80", "[localhost]:80", "[::::]:80",  "[127.0.0.1]:80", "[::1%]:80",
        "[::1:80",    "[]:80",   "a b:80",         "a/b:80",     "user@host:80",   "a\nb:80"}) {
    EXPECT_FALSE(ParseEndpoint(text).ok()) << text;
  }
  EXPECT_EQ(ParseEndpoint("host").status().message(),
            "\"host\" is no address and port; host:port or [IPv6 address]:port, like "
            "\"127.0.0.1:8080\"");
}

TEST(EndpointTest, BrokerUriHasItsSchemesPort) {
  EXPECT_EQ(*ParseBrokerUri("mqtt://broker"), (Endpoint{.host = "broker", .port = 1883}));
  EXPECT_EQ(*ParseBrokerUri("mqtts://broker"), (Endpoint{.host = "broker", .port = 8883}));
  EXPECT_EQ(*ParseBrokerUri("mqtt://[::1]"), (Endpoint{.host = "::1", .port = 1883}));
  EXPECT_EQ(*ParseBrokerUri("mqtts://10.0.0.1:99"), (Endpoint{.host = "10.0.0.1", .port = 99}));
  EXPECT_TRUE(IsTls("mqtts://broker"));
  EXPECT_FALSE(IsTls("mqtt://broker"));
}

TEST(EndpointTest, HostIsANameOrAnAddressAlone) {
  EXPECT_EQ(*ParseHost("gateway.example"), "gateway.example");
  EXPECT_EQ(*ParseHost("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(*ParseHost("2001:db8::7"), "2001:db8::7");
  EXPECT_EQ(*ParseHost("[2001:db8::7]"), "2001:db8::7");
  for (const char* text : {"", "*", "*.example", "a:80", "[a]", "[::1]:80", "[]", "[", "a b",
                           "http://a", "a/b", "u@a", "a\n"}) {
    EXPECT_FALSE(ParseHost(text).ok()) << text;
  }
}

TEST(EndpointTest, BrokerUriIsWhatTheClientTakes) {
  const std::string longest(253, 'a');
  for (const std::string& uri :
       {std::string("mqtt://broker"), std::string("mqtts://broker:99"),
        std::string("mqtt://10.0.0.1:1"), std::string("mqtt://[::1]"),
        std::string("mqtt://[::1]:2"), std::string("mqtt://[fe80::1%eth0]:3"),
        std::string("mqtts://broker/"), std::string("mqtt://[::ffff:10.0.0.1]"),
        "mqtt://" + longest}) {
    const auto endpoint = ParseBrokerUri(uri);
    const auto taken = mqtt::ParseUri(uri);
    ASSERT_TRUE(endpoint.ok() && taken.ok()) << uri;
    EXPECT_EQ(*endpoint, (Endpoint{.host = taken->host, .port = taken->port})) << uri;
    EXPECT_EQ(IsTls(uri), taken->is_tls) << uri;
  }
  for (const std::string& uri : {std::string(),
                                 std::string("broker:1883"),
                                 std::string("tcp://broker:1883"),
                                 std::string("http://broker"),
                                 std::string("MQTT://broker"),
                                 std::string("mqtt:/"),
                                 std::string("mqtt://"),
                                 std::string("mqtt:///"),
                                 std::string("mqtt://:1883"),
                                 std::string("mqtt://broker:0"),
                                 std::string("mqtt://broker:"),
                                 std::string("mqtt://broker:65536"),
                                 std::string("mqtt://broker//"),
                                 std::string("mqtt://broker/x"),
                                 std::string("mqtt://broker?x"),
                                 std::string("mqtt://u:p@broker"),
                                 std::string("mqtt://u@broker"),
                                 std::string("mqtt://[localhost]:1883"),
                                 std::string("mqtt://[10.0.0.1]"),
                                 std::string("mqtt://[::::]"),
                                 std::string("mqtt://[::1%]"),
                                 std::string("mqtt://::1"),
                                 std::string("mqtt://[::1\0x]", 14),
                                 std::string("mqtt://a\0b", 10),
                                 "mqtt://" + longest + "a"}) {
    EXPECT_FALSE(ParseBrokerUri(uri).ok()) << uri;
    EXPECT_FALSE(mqtt::ParseUri(uri).ok()) << uri;
  }
}

TEST(EndpointTest, CredentialsAreNeverShown) {
  for (const char* uri : {"mqtt://u:secret@h", "u:secret@h", "http://u:secret@h/"}) {
    const std::string message = ParseBrokerUri(uri).status().message();
    EXPECT_THAT(message, Not(HasSubstr("secret"))) << message;
    EXPECT_THAT(message, HasSubstr("mqtt.username and mqtt.password_file")) << message;
  }
}

}  // namespace
}  // namespace gemel::config
