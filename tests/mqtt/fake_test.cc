#include "gateway/mqtt/fake.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemel::mqtt {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FakeReceiverTest, HandsWhatIsDeliveredToTheHandler) {
  FakeReceiver receiver;
  std::vector<std::string> seen;
  ASSERT_TRUE(receiver
                  .Start(
                      {{"a/#", 1}},
                      [&](const Inbound& message) {
                        seen.push_back(std::string(message.topic) + "=" +
                                       std::string(message.payload) + "/" +
                                       std::to_string(message.qos));
                      },
                      nullptr)
                  .ok());
  EXPECT_TRUE(receiver.Deliver("a/b", "x", 2));
  EXPECT_THAT(seen, ElementsAre("a/b=x/2"));
  EXPECT_EQ(receiver.subscriptions().at(0).filter, "a/#");
}

TEST(FakeReceiverTest, DeliversNothingWhenStoppedOrNotReceiving) {
  FakeReceiver receiver;
  EXPECT_FALSE(receiver.Deliver("a", "x"));
  int messages = 0;
  std::vector<bool> states;
  ASSERT_TRUE(receiver
                  .Start(
                      {}, [&](const Inbound&) { ++messages; },
                      [&](bool is_receiving, std::string_view) { states.push_back(is_receiving); })
                  .ok());
  receiver.SetReceiving(false, "broker down");
  EXPECT_FALSE(receiver.is_receiving());
  EXPECT_FALSE(receiver.Deliver("a", "x"));
  receiver.SetReceiving(true);
  EXPECT_TRUE(receiver.Deliver("a", "x"));
  receiver.Stop();
  EXPECT_FALSE(receiver.Deliver("a", "x"));
  EXPECT_EQ(messages, 1);
  EXPECT_THAT(states, ElementsAre(true, false, true, false));
}

class FakePublisherTest : public ::testing::Test {
 protected:
  FakePublisherTest() { EXPECT_TRUE(publisher_.Connect().ok()); }
  std::vector<Publisher::Token> Acknowledged(std::chrono::milliseconds wait = 0ms) {
    std::vector<Publisher::Token> tokens;
    publisher_.Acknowledged(tokens, wait);
    return tokens;
  }
  FakePublisher publisher_;
};

TEST_F(FakePublisherTest, RecordsAndAcknowledgesAtOnce) {
  const auto token = publisher_.Publish({.topic = "a", .payload = "1"});
  ASSERT_TRUE(token.ok());
  EXPECT_THAT(Acknowledged(), ElementsAre(*token));
  EXPECT_THAT(Acknowledged(), IsEmpty());
  ASSERT_EQ(publisher_.published().size(), 1u);
  EXPECT_EQ(publisher_.published()[0].topic, "a");
}

TEST_F(FakePublisherTest, AcknowledgesOnDemandAndIsFull) {
  publisher_.SetAcknowledging(false);
  publisher_.SetWindow(2);
  const auto first = publisher_.Publish({.topic = "a"});
  const auto second = publisher_.Publish({.topic = "b"});
  EXPECT_EQ(publisher_.Publish({.topic = "c"}).status().code(), Code::kFull);
  EXPECT_THAT(Acknowledged(1ms), IsEmpty());
  publisher_.Acknowledge(1);
  EXPECT_THAT(Acknowledged(), ElementsAre(*first));
  EXPECT_TRUE(publisher_.Publish({.topic = "c"}).ok());
  std::thread broker([&] { publisher_.Acknowledge(1); });
  EXPECT_THAT(Acknowledged(10s), ElementsAre(*second));
  broker.join();
}

TEST_F(FakePublisherTest, ALossTakesWhatWasInFlight) {
  publisher_.SetAcknowledging(false);
  ASSERT_TRUE(publisher_.Publish({.topic = "a"}).ok());
  publisher_.SetReachable(false);
  EXPECT_FALSE(publisher_.is_connected());
  EXPECT_EQ(publisher_.Publish({.topic = "b"}).status().code(), Code::kUnavailable);
  EXPECT_EQ(publisher_.Connect().code(), Code::kUnavailable);
  publisher_.SetReachable(true);
  EXPECT_TRUE(publisher_.Connect().ok());
  publisher_.Acknowledge();
  EXPECT_THAT(Acknowledged(), IsEmpty());
  EXPECT_EQ(publisher_.disconnects(), 0u);
  publisher_.Disconnect();
  EXPECT_EQ(publisher_.disconnects(), 1u);
}

}  // namespace
}  // namespace gemel::mqtt
