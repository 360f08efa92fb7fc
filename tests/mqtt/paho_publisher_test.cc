#include "gateway/mqtt/paho_publisher.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/paho_receiver.h"
#include "tests/mqtt/inbox.h"
#include "tests/support/broker.h"
#include "tests/support/effort.h"
#include "tests/support/tail.h"

namespace gemel::mqtt {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::Broker;
using support::Seen;
using support::Tail;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{30};

class PahoPublisherTest : public ::testing::TestWithParam<Version> {
 protected:
  static constexpr const char* kWillTopic = "gemel/status";

  std::unique_ptr<Publisher> Make(const std::string& uri) {
    return MakePahoPublisher(
        ConnectionTo(uri, GetParam()),
        {.topic = kWillTopic, .payload = "offline", .qos = 1, .is_retained = true});
  }
  std::unique_ptr<Publisher> Connected(Broker& broker) {
    EXPECT_TRUE(broker.Start().ok());
    auto publisher = Make(broker.uri());
    const Status status = publisher->Connect();
    EXPECT_TRUE(status.ok()) << status.message();
    return publisher;
  }
  Publisher::Token MustPublish(Publisher& publisher, const Outbound& message) {
    const Result<Publisher::Token> token = publisher.Publish(message);
    EXPECT_TRUE(token.ok()) << token.status().message();
    return token.ok() ? *token : 0;
  }
  // Until all of `tokens` are acknowledged or patience ends; those that are not.
  static std::set<Publisher::Token> Unacknowledged(Publisher& publisher,
                                                   std::set<Publisher::Token> tokens) {
    const auto deadline = Clock::now() + kPatience;
    std::vector<Publisher::Token> acknowledged;
    while (!tokens.empty() && Clock::now() < deadline) {
      publisher.Acknowledged(acknowledged, 100ms);
      for (const Publisher::Token token : acknowledged) {
        EXPECT_EQ(tokens.erase(token), 1u) << "token " << token << " is nobody's";
      }
      acknowledged.clear();
    }
    return tokens;
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, PahoPublisherTest, ::testing::Values(Version::k5, Version::k311),
                         VersionName);

TEST_P(PahoPublisherTest, PublishesAtEveryQosAndTellsWhatWasAcknowledged) {
  Broker broker;
  const auto publisher = Connected(broker);
  EXPECT_TRUE(publisher->is_connected());
  Tail tail(broker, {"a/#"});
  std::set<Publisher::Token> tokens;
  for (int qos = 0; qos <= 2; ++qos) {
    tokens.insert(MustPublish(*publisher, {.topic = "a/" + std::to_string(qos), .qos = qos}));
  }
  EXPECT_EQ(tokens.size(), 3u);
  EXPECT_THAT(Unacknowledged(*publisher, tokens), IsEmpty());
  ASSERT_TRUE(tail.WaitForCount(3));
  EXPECT_EQ(tail.seen()[0].topic, "a/0");
  EXPECT_EQ(tail.seen()[0].qos, 0);
  EXPECT_EQ(tail.seen()[2].qos, 1);  // what the tail subscribes with
}

TEST_P(PahoPublisherTest, BytesArriveAtTheReceiverAsTheyWere) {
  Broker broker;
  const auto publisher = Connected(broker);
  Inbox inbox;
  const auto receiver = MakePahoReceiver(ConnectionTo(broker.uri(), GetParam()));
  ASSERT_TRUE(receiver->Start({{"a", 1}}, inbox.on_message(), inbox.on_state()).ok());
  ASSERT_TRUE(inbox.AwaitReceiving()) << inbox.whys();
  const std::string bytes("\0\xff\n\"", 4);
  const std::string large(300'000, 'x');
  for (const std::string& payload : {bytes, std::string(), large}) {
    MustPublish(*publisher, {.topic = "a", .payload = payload});
  }
  ASSERT_TRUE(inbox.AwaitMessages(3));
  EXPECT_THAT(inbox.payloads(), ElementsAre(bytes, "", large));
}

TEST_P(PahoPublisherTest, RetainsWhatIsToBeRetained) {
  Broker broker;
  const auto publisher = Connected(broker);
  const auto token = MustPublish(*publisher, {.topic = "a", .payload = "1", .is_retained = true});
  EXPECT_THAT(Unacknowledged(*publisher, {token}), IsEmpty());
  Tail later(broker, {"a"});
  ASSERT_TRUE(later.WaitForCount(1));
  EXPECT_TRUE(later.seen()[0].is_retained);
}

TEST_P(PahoPublisherTest, AMessageThatCanNeverBeSentIsInvalidAndHarmsNobody) {
  Broker broker({.lines = {"max_packet_size 2000"}});
  const auto publisher = Connected(broker);
  for (const std::string& topic :
       {std::string(), std::string("a/+"), std::string("#"), std::string("a\0b", 3),
        std::string(65'536, 'a'), std::string("\xff\xfe")}) {
    EXPECT_EQ(publisher->Publish({.topic = topic}).status().code(), Code::kInvalid) << topic;
  }
  EXPECT_EQ(publisher->Publish({.topic = "a", .qos = 3}).status().code(), Code::kInvalid);
  if (GetParam() == Version::k5) {
    const auto status =
        publisher->Publish({.topic = "a", .payload = std::string(3'000, 'x')}).status();
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_THAT(status.message(), HasSubstr("allowed by the broker: 2000"));
  }
  const auto token = MustPublish(*publisher, {.topic = "a"});
  EXPECT_THAT(Unacknowledged(*publisher, {token}), IsEmpty());
}

TEST_P(PahoPublisherTest, IsFullRatherThanWaitingForABrokerThatSleeps) {
  Broker broker({.max_inflight_messages = 0});
  const auto publisher = Connected(broker);
  Tail tail(broker, {"a"});
  broker.Freeze();
  std::set<Publisher::Token> tokens;
  auto longest = Clock::duration::zero();
  while (true) {
    const auto begin = Clock::now();
    const auto token = publisher->Publish({.topic = "a", .payload = std::string(100, 'x')});
    longest = std::max(longest, Clock::now() - begin);
    if (!token.ok()) {
      EXPECT_EQ(token.status().code(), Code::kFull);
      break;
    }
    tokens.insert(*token);
  }
  // Paho would sleep until the broker wakes. Far more than it takes, because we may not be
  // scheduled.
  EXPECT_LT(longest, 10s);
  EXPECT_GE(tokens.size(), 1'000u);
  std::vector<Publisher::Token> none;
  publisher->Acknowledged(none, 1ms);
  EXPECT_THAT(none, IsEmpty());
  broker.Thaw();
  EXPECT_THAT(Unacknowledged(*publisher, tokens), IsEmpty());
  EXPECT_TRUE(tail.WaitForCount(tokens.size()));
  EXPECT_TRUE(publisher->Publish({.topic = "a"}).ok());
}

TEST_P(PahoPublisherTest, PacketIdsComeAroundAndTokensDoNot) {
  Broker broker({.max_inflight_messages = 0});
  const auto publisher = Connected(broker);
  std::vector<Publisher::Token> acknowledged;
  constexpr size_t kMessages = support::Rounds(67'000, 7'000);  // there are 65,535 ids
  for (size_t sent = 0; sent < kMessages;) {
    const auto token = publisher->Publish({.topic = "a", .payload = "x"});
    if (token.ok()) {
      ASSERT_EQ(*token, ++sent);
      continue;
    }
    ASSERT_EQ(token.status().code(), Code::kFull) << token.status().message();
    publisher->Acknowledged(acknowledged, 1s);
  }
  const auto deadline = Clock::now() + kPatience;
  while (acknowledged.size() < kMessages && Clock::now() < deadline) {
    publisher->Acknowledged(acknowledged, 1s);
  }
  ASSERT_EQ(acknowledged.size(), kMessages);
  std::ranges::sort(acknowledged);
  for (size_t i = 0; i < kMessages; ++i) ASSERT_EQ(acknowledged[i], i + 1);
}

TEST_P(PahoPublisherTest, ConnectsAgainAfterALossWithTokensThatGoOn) {
  Broker broker;
  const auto publisher = Connected(broker);
  const auto first = MustPublish(*publisher, {.topic = "a"});
  EXPECT_THAT(Unacknowledged(*publisher, {first}), IsEmpty());
  broker.Freeze();
  const auto lost = MustPublish(*publisher, {.topic = "a"});
  broker.Kill();
  const auto deadline = Clock::now() + kPatience;
  std::vector<Publisher::Token> tokens;
  while (publisher->is_connected() && Clock::now() < deadline)
    publisher->Acknowledged(tokens, 10ms);
  EXPECT_FALSE(publisher->is_connected());
  EXPECT_EQ(publisher->Publish({.topic = "a"}).status().code(), Code::kUnavailable);

  const Status down = publisher->Connect();
  EXPECT_EQ(down.code(), Code::kUnavailable);
  EXPECT_THAT(down.message(), HasSubstr("Connection refused"));
  ASSERT_TRUE(broker.Start().ok());
  ASSERT_TRUE(publisher->Connect().ok());
  EXPECT_TRUE(publisher->is_connected());
  const auto second = MustPublish(*publisher, {.topic = "a"});
  EXPECT_GT(second, lost);
  EXPECT_THAT(Unacknowledged(*publisher, {second}), IsEmpty());
  EXPECT_THAT(tokens, IsEmpty());
}

TEST_P(PahoPublisherTest, TheWillIsPublishedWhenTheConnectionBreaks) {
  Broker broker;
  const auto publisher = Connected(broker);
  MustPublish(*publisher, {.topic = kWillTopic, .payload = "online", .is_retained = true});
  Tail tail(broker, {kWillTopic});
  // Whoever takes the client id over breaks the connection.
  support::Process thief({"mosquitto_pub", "-p", std::to_string(broker.port()), "-i",
                          "gemel-test-pub", "-t", "x", "-m", "x"});
  ASSERT_TRUE(tail.WaitFor([](const std::vector<Seen>& seen) {
    return std::ranges::any_of(seen, [](const Seen& s) { return s.payload == "offline"; });
  }));
  Tail later(broker, {kWillTopic});
  ASSERT_TRUE(later.WaitForCount(1));
  EXPECT_EQ(later.seen()[0].payload, "offline");
  EXPECT_TRUE(later.seen()[0].is_retained);
}

TEST_P(PahoPublisherTest, ADisconnectIsNoReasonForTheWillEvenWithMessagesInFlight) {
  Broker broker({.max_inflight_messages = 0});
  ASSERT_TRUE(broker.Start().ok());
  Tail tail(broker, {"#"});
  for (int round = 0; round < 3; ++round) {
    const auto publisher = Connected(broker);
    for (int i = 0; i < 500; ++i) MustPublish(*publisher, {.topic = "a"});
    publisher->Disconnect();
    EXPECT_FALSE(publisher->is_connected());
    std::vector<Publisher::Token> tokens;
    publisher->Acknowledged(tokens, 0ms);
    EXPECT_EQ(tokens.size(), 500u);
  }
  ASSERT_TRUE(support::Publish(broker, "last", "x").ok());
  ASSERT_TRUE(tail.WaitFor([](const std::vector<Seen>& seen) {
    return std::ranges::any_of(seen, [](const Seen& s) { return s.topic == "last"; });
  }));
  EXPECT_THAT(tail.SeenOn(kWillTopic), IsEmpty());
  EXPECT_EQ(tail.SeenOn("a").size(), 1'500u);
}

TEST_P(PahoPublisherTest, AWrongPasswordIsToldWithoutShowingIt) {
  support::TempDir directory;
  std::ofstream(directory / "passwords").close();
  Broker broker(
      {.lines = {"allow_anonymous false", "password_file " + (directory / "passwords").string()}});
  ASSERT_TRUE(broker.Start().ok());
  Connection connection = ConnectionTo(broker.uri(), GetParam());
  connection.username = "gw";
  connection.password = "topsecret";
  const Status status = MakePahoPublisher(connection, {})->Connect();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("refuses the connection: "));
  EXPECT_THAT(status.message(), HasSubstr("uthorized"));
  EXPECT_THAT(status.message(), Not(HasSubstr("topsecret")));
}

TEST_P(PahoPublisherTest, OptionsThatCannotBeUsedAreInvalid) {
  EXPECT_EQ(Make("tcp://127.0.0.1:1")->Connect().code(), Code::kInvalid);
}

class PahoPublisherMqtt5Test : public PahoPublisherTest {};
INSTANTIATE_TEST_SUITE_P(Versions, PahoPublisherMqtt5Test, ::testing::Values(Version::k5),
                         VersionName);

TEST_P(PahoPublisherMqtt5Test, SendsTheMessageExpiry) {
  Broker broker;
  const auto publisher = Connected(broker);
  const auto token = MustPublish(
      *publisher, {.topic = "a", .payload = "x", .is_retained = true, .expiry = 1'000s});
  ASSERT_THAT(Unacknowledged(*publisher, {token}), IsEmpty());
  support::Process subscriber({"mosquitto_sub", "-V", "5", "-p", std::to_string(broker.port()),
                               "-t", "a", "-C", "1", "-F", "%E"});
  const auto expiry = subscriber.ReadLine();
  ASSERT_TRUE(expiry);
  EXPECT_GT(std::stoi(*expiry), 900);
  EXPECT_LE(std::stoi(*expiry), 1'000);
}

TEST_P(PahoPublisherMqtt5Test, KeepsToTheBrokersReceiveMaximum) {
  Broker broker({.max_inflight_messages = 20});
  const auto publisher = Connected(broker);
  broker.Freeze();
  std::set<Publisher::Token> tokens;
  for (int i = 0; i < 20; ++i) tokens.insert(MustPublish(*publisher, {.topic = "a"}));
  EXPECT_EQ(publisher->Publish({.topic = "a"}).status().code(), Code::kFull);
  broker.Thaw();
  EXPECT_THAT(Unacknowledged(*publisher, tokens), IsEmpty());
}

TEST_P(PahoPublisherMqtt5Test, CountsWhatTheBrokerRefuses) {
  support::TempDir directory;
  std::ofstream(directory / "acl") << "topic deny secret\ntopic readwrite #\n";
  Broker broker({.lines = {"acl_file " + (directory / "acl").string()}});
  const auto publisher = Connected(broker);
  const auto allowed = MustPublish(*publisher, {.topic = "open"});
  const auto denied = MustPublish(*publisher, {.topic = "secret"});
  EXPECT_THAT(Unacknowledged(*publisher, {allowed, denied}), IsEmpty());
  EXPECT_EQ(publisher->refused_total(), 1u);
}

}  // namespace
}  // namespace gemel::mqtt
