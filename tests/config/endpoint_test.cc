#include "gateway/config/endpoint.h"

#include <gtest/gtest.h>

namespace gemel::config {
namespace {

TEST(EndpointTest, HostAndPortAreSplit) {
  EXPECT_EQ(*ParseEndpoint("127.0.0.1:8080"), (Endpoint{.host = "127.0.0.1", .port = 8080}));
  EXPECT_EQ(*ParseEndpoint("localhost:0"), (Endpoint{.host = "localhost", .port = 0}));
  EXPECT_EQ(*ParseEndpoint("[::1]:65535"), (Endpoint{.host = "::1", .port = 65'535}));
  EXPECT_EQ(*ParseEndpoint("[fe80::1%eth0]:1"), (Endpoint{.host = "fe80::1%eth0", .port = 1}));
}

TEST(EndpointTest, AnythingElseIsRefused) {
  for (const char* text :
       {"",        ":",       "8080",       ":8080",    "host",         "host:",  "host:65536",
        "host:-1", "host:+1", "host:8080x", "host: 80", "::1:80",       "[::1]",  "[::1]80",
        "[::1:80", "[]:80",   "a b:80",     "a/b:80",   "user@host:80", "a\nb:80"}) {
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

TEST(EndpointTest, OtherUrisAreRefused) {
  for (const char* uri :
       {"", "broker:1883", "tcp://broker:1883", "http://broker", "mqtt://", "mqtt://:1883",
        "mqtt://broker:0", "mqtt://broker/", "mqtt://u:p@broker", "MQTT://broker"}) {
    EXPECT_FALSE(ParseBrokerUri(uri).ok()) << uri;
  }
}

}  // namespace
}  // namespace gemel::config
