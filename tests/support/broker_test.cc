#include "tests/support/broker.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tail.h"

namespace gemel::support {
namespace {

using std::chrono_literals::operator""ms;
using ::testing::HasSubstr;

TEST(BrokerTest, CarriesAMessageToASubscriber) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  Tail tail(broker, {"a/#"});
  ASSERT_TRUE(Publish(broker, "a/b c", "line\nline \x01", {.is_retained = true}).ok());
  ASSERT_TRUE(tail.WaitForCount(1));
  EXPECT_EQ(tail.seen()[0].topic, "a/b c");
  EXPECT_EQ(tail.seen()[0].payload, "line\nline \x01");
  EXPECT_EQ(tail.seen()[0].qos, 1);
  EXPECT_FALSE(tail.seen()[0].is_retained);

  Tail later(broker, {"a/#"});
  ASSERT_TRUE(later.WaitForCount(1));
  EXPECT_TRUE(later.SeenOn("a/b c").at(0).is_retained);
}

TEST(BrokerTest, AnEmptyPayloadIsSeenAsOne) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  Tail tail(broker, {"#"});
  ASSERT_TRUE(Publish(broker, "a", "").ok());
  ASSERT_TRUE(tail.WaitForCount(1));
  EXPECT_EQ(tail.seen()[0].topic, "a");
  EXPECT_EQ(tail.seen()[0].payload, "");
}

TEST(BrokerTest, TwoRunSideBySide) {
  Broker one;
  Broker other;
  ASSERT_TRUE(one.Start().ok());
  ASSERT_TRUE(other.Start().ok());
  EXPECT_NE(one.port(), other.port());
}

TEST(BrokerTest, KeepsItsPortAndWhatItSavedOverARestart) {
  Broker broker({.is_persistent = true});
  ASSERT_TRUE(broker.Start().ok());
  const uint16_t port = broker.port();
  ASSERT_TRUE(Publish(broker, "kept", "x", {.is_retained = true}).ok());
  ASSERT_TRUE(broker.Restart().ok());
  EXPECT_EQ(broker.port(), port);
  Tail tail(broker, {"kept"});
  EXPECT_TRUE(tail.WaitForCount(1));
}

TEST(BrokerTest, ATailComesBackAfterAKill) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  Tail tail(broker, {"#"});
  broker.Kill();
  EXPECT_FALSE(broker.is_running());
  ASSERT_TRUE(broker.Start().ok());
  // Retained, so that it is seen whenever the tail has subscribed again.
  ASSERT_TRUE(Publish(broker, "after", "x", {.is_retained = true}).ok());
  EXPECT_TRUE(tail.WaitForCount(1));
}

TEST(BrokerTest, AFrozenOneAnswersOnlyWhenThawed) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  broker.Freeze();
  Process publisher(
      {"mosquitto_pub", "-p", std::to_string(broker.port()), "-q", "1", "-t", "a", "-m", "x"});
  EXPECT_EQ(publisher.Wait(50ms), std::nullopt);
  broker.Thaw();
  EXPECT_EQ(publisher.Wait(), 0);
}

TEST(BrokerTest, AFrozenOneCanBeStoppedAndKilled) {
  Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  broker.Freeze();
  broker.Stop();
  ASSERT_TRUE(broker.Start().ok());
  broker.Freeze();
  broker.Kill();
  EXPECT_TRUE(broker.Start().ok());
}

TEST(BrokerTest, ABadConfigurationIsItsOwnWords) {
  Broker broker({.lines = {"no_such_option 1"}});
  const Status status = broker.Start();
  EXPECT_THAT(status.message(), HasSubstr("no_such_option"));
}

}  // namespace
}  // namespace gemel::support
