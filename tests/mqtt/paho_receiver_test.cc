#include "gateway/mqtt/paho_receiver.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <initializer_list>
#include <iterator>
#include <latch>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/mqtt/inbox.h"
#include "tests/support/broker.h"
#include "tests/support/tail.h"

namespace gemel::mqtt {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using support::Broker;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class PahoReceiverTest : public ::testing::TestWithParam<Version> {
 protected:
  PahoReceiverTest() { EXPECT_TRUE(broker_.Start().ok()); }

  std::unique_ptr<Receiver> Make(std::vector<std::string> unsubscribe = {}) {
    return MakePahoReceiver(ConnectionTo(broker_.uri(), GetParam()), std::move(unsubscribe));
  }
  void Start(Receiver& receiver, std::vector<Subscription> subscriptions = {{"a/#", 2}}) {
    inbox_.Forget();
    const Status status =
        receiver.Start(std::move(subscriptions), inbox_.on_message(), inbox_.on_state());
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void StartAndAwait(Receiver& receiver, std::vector<Subscription> subscriptions = {{"a/#", 2}}) {
    Start(receiver, std::move(subscriptions));
    ASSERT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
    ASSERT_TRUE(receiver.is_receiving());
  }
  void Publish(std::string_view topic, std::string_view payload,
               support::PublishOptions options = {}) {
    const Status status = support::Publish(broker_, topic, payload, options);
    ASSERT_TRUE(status.ok()) << status.message();
  }

  Broker broker_;
  Inbox inbox_;
};

INSTANTIATE_TEST_SUITE_P(Versions, PahoReceiverTest, ::testing::Values(Version::k5, Version::k311),
                         VersionName);

// A broker of MQTT 5 that resumes a session, and sends what has waited before it answers SUBSCRIBE.
class BusyBroker {
 public:
  explicit BusyBroker(std::chrono::seconds busy)
      : busy_(busy), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~BusyBroker() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  BusyBroker(const BusyBroker&) = delete;
  BusyBroker& operator=(const BusyBroker&) = delete;
  std::string uri() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }

 private:
  void Run() const {
    int client = -1;
    while ((client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
      char packet[256];
      ::recv(client, packet, sizeof packet, 0);  // CONNECT
      Send(client, {0x20, 3, 1, 0, 0});          // CONNACK: session present
      ::recv(client, packet, sizeof packet, 0);  // SUBSCRIBE
      for (auto sent = 0s; sent < busy_; sent += 1s) {
        std::this_thread::sleep_for(1s);  // the pace of what has waited
        Send(client, {0x30, 5, 0, 1, 'a', 0, 'x'});
      }
      Send(client, {'\x90', 4, packet[2], packet[3], 0, 1});  // SUBACK
      while (::recv(client, packet, sizeof packet, 0) > 0) {
      }
      ::close(client);
    }
  }
  static void Send(int client, std::initializer_list<char> bytes) {
    ::send(client, std::data(bytes), bytes.size(), MSG_NOSIGNAL);
  }

  const std::chrono::seconds busy_;
  int listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// Else a gateway that has fallen behind would be cut off while it catches up, over and over.
TEST(PahoReceiverBusyTest, AnAnswerBehindAllThatHasWaitedIsWaitedFor) {
  Inbox inbox;
  const BusyBroker broker(12s);  // longer than a silent one is waited for
  const auto receiver = MakePahoReceiver(ConnectionTo(broker.uri(), Version::k5), {});
  ASSERT_TRUE(receiver->Start({{"a", 1}}, inbox.on_message(), inbox.on_state()).ok());
  EXPECT_TRUE(inbox.AwaitReceiving()) << inbox.whys();
  EXPECT_EQ(inbox.whys().find("no answer"), std::string::npos) << inbox.whys();
  EXPECT_EQ(inbox.messages().size(), 12u);
}

TEST_P(PahoReceiverTest, ReceivesEveryQosAndCapsOldMqttAtOne) {
  const auto receiver = Make();
  StartAndAwait(*receiver);
  for (int qos = 0; qos <= 2; ++qos) Publish("a/b", std::to_string(qos), {.qos = qos});
  ASSERT_TRUE(inbox_.AwaitMessages(3));
  EXPECT_THAT(inbox_.payloads(), ElementsAre("0", "1", "2"));
  EXPECT_EQ(inbox_.messages()[0].topic, "a/b");
  EXPECT_EQ(inbox_.messages()[0].qos, 0);
  EXPECT_EQ(inbox_.messages()[1].qos, 1);
  EXPECT_EQ(inbox_.messages()[2].qos, GetParam() == Version::k5 ? 2 : 1);
}

TEST_P(PahoReceiverTest, TheSessionIsKeptAcrossStopAndStart) {
  const auto first = Make();
  StartAndAwait(*first);
  EXPECT_THAT(inbox_.last_state().why, HasSubstr("new session"));
  first->Stop();
  EXPECT_FALSE(first->is_receiving());
  EXPECT_EQ(inbox_.last_state().why, "stopped");
  Publish("a", "1");
  Publish("a", "2");
  StartAndAwait(*first);
  EXPECT_TRUE(inbox_.AwaitMessages(2));
  EXPECT_THAT(inbox_.last_state().why, HasSubstr("session resumed"));
  first->Stop();

  Publish("a", "3");
  const auto second = Make();
  StartAndAwait(*second);
  EXPECT_TRUE(inbox_.AwaitMessages(1));
  EXPECT_THAT(inbox_.payloads(), ElementsAre("3"));
}

TEST_P(PahoReceiverTest, SubscribesAgainWhenTheBrokerLostTheSession) {
  const auto receiver = Make();
  StartAndAwait(*receiver);
  broker_.Kill();
  ASSERT_TRUE(inbox_.AwaitLoss());
  EXPECT_FALSE(receiver->is_receiving());
  inbox_.Forget();
  ASSERT_TRUE(broker_.Start().ok());
  ASSERT_TRUE(inbox_.AwaitReceiving(10s)) << inbox_.whys();
  EXPECT_THAT(inbox_.last_state().why, HasSubstr("new session"));
  Publish("a", "again");
  EXPECT_TRUE(inbox_.AwaitPayload("again"));
}

TEST_P(PahoReceiverTest, ComesBackEveryTimeTheBrokerDoes) {
  const auto receiver = Make();
  StartAndAwait(*receiver);
  for (int round = 0; round < 4; ++round) {
    broker_.Kill();
    ASSERT_TRUE(inbox_.AwaitLoss());
    inbox_.Forget();
    ASSERT_TRUE(broker_.Start().ok());
    ASSERT_TRUE(inbox_.AwaitReceiving(10s)) << "round " << round << ": " << inbox_.whys();
  }
  Publish("a", "x");
  EXPECT_TRUE(inbox_.AwaitPayload("x"));
}

TEST_P(PahoReceiverTest, WaitsForABrokerThatIsDownAndSaysSoOnce) {
  broker_.Kill();
  const auto receiver = Make();
  Start(*receiver);
  ASSERT_TRUE(inbox_.AwaitWhy("Connection refused"));
  EXPECT_THAT(inbox_.last_state().why, HasSubstr(broker_.uri()));
  ASSERT_TRUE(broker_.Start().ok());
  ASSERT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
  EXPECT_EQ(inbox_.whys().find("refused"), inbox_.whys().rfind("refused"));
}

TEST_P(PahoReceiverTest, GetsOverABrokerThatDoesNotAnswer) {
  broker_.Freeze();
  const auto receiver = Make();
  Start(*receiver);
  ASSERT_TRUE(inbox_.AwaitWhy("cannot connect")) << inbox_.whys();
  broker_.Thaw();
  EXPECT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
}

TEST_P(PahoReceiverTest, StopReturnsWhileTheBrokerDoesNotAnswer) {
  broker_.Freeze();
  const auto receiver = Make();
  Start(*receiver);
  receiver->Stop();
  EXPECT_FALSE(receiver->is_receiving());
}

TEST_P(PahoReceiverTest, AHandlerThatThrowsIsReportedAndTheNextMessageComes) {
  const auto receiver = Make();
  std::atomic<int> calls = 0;
  const auto on_message = [&](const Inbound& message) {
    if (++calls == 1) throw std::runtime_error("on purpose");
    if (calls == 2) throw 2;
    inbox_.on_message()(message);
  };
  ASSERT_TRUE(receiver->Start({{"a", 1}}, on_message, inbox_.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitReceiving());
  Publish("a", "1");
  ASSERT_TRUE(inbox_.AwaitWhy("threw: on purpose"));
  EXPECT_TRUE(inbox_.last_state().is_receiving);
  Publish("a", "2");
  ASSERT_TRUE(inbox_.AwaitWhy("threw: unknown"));
  Publish("a", "3");
  ASSERT_TRUE(inbox_.AwaitMessages(1));
  EXPECT_THAT(inbox_.payloads(), ElementsAre("3"));
}

TEST_P(PahoReceiverTest, StopWaitsForTheHandlerAndNoneRunsAfterwards) {
  const auto receiver = Make();
  std::latch entered(1);
  std::promise<void> released;
  const std::shared_future<void> release = released.get_future().share();
  std::atomic<bool> is_inside = false;
  std::atomic<int> calls = 0;
  const auto on_message = [&](const Inbound&) {
    is_inside = true;
    if (++calls == 1) entered.count_down();
    release.wait();
    is_inside = false;
  };
  ASSERT_TRUE(receiver->Start({{"a", 1}}, on_message, inbox_.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitReceiving());
  for (int i = 0; i < 3; ++i) Publish("a", "x");
  entered.wait();
  std::promise<void> stopping;
  std::thread stopper([&] {
    stopping.set_value();
    receiver->Stop();
    EXPECT_FALSE(is_inside);
  });
  stopping.get_future().wait();
  released.set_value();
  stopper.join();
  const int calls_at_stop = calls;
  Publish("a", "y");
  EXPECT_EQ(calls, calls_at_stop);
  EXPECT_FALSE(is_inside);
}

TEST_P(PahoReceiverTest, UnsubscribesRoutesThatWentAway) {
  {
    const auto receiver = Make();
    StartAndAwait(*receiver, {{"a", 1}, {"b", 1}});
  }
  const auto receiver = Make({"b", "never/had"});
  StartAndAwait(*receiver, {{"a", 1}});
  Publish("b", "old");
  Publish("a", "new");
  ASSERT_TRUE(inbox_.AwaitPayload("new"));
  EXPECT_THAT(inbox_.payloads(), ElementsAre("new"));
}

TEST_P(PahoReceiverTest, WinsItsClientIdBackWhenTheOtherGoes) {
  const auto one = Make();
  StartAndAwait(*one);
  Inbox other_inbox;
  const auto other = Make();
  ASSERT_TRUE(other->Start({{"a/#", 1}}, other_inbox.on_message(), other_inbox.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitWhy("lost")) << inbox_.whys();
  other->Stop();
  ASSERT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
}

class PahoReceiverMqtt5Test : public PahoReceiverTest {};
INSTANTIATE_TEST_SUITE_P(Versions, PahoReceiverMqtt5Test, ::testing::Values(Version::k5),
                         VersionName);

TEST_P(PahoReceiverMqtt5Test, RetainedMessagesComeForANewSubscriptionOnly) {
  Publish("a", "old", {.is_retained = true});
  const auto receiver = Make();
  StartAndAwait(*receiver);
  ASSERT_TRUE(inbox_.AwaitMessages(1));
  EXPECT_TRUE(inbox_.messages()[0].is_retained);
  receiver->Stop();
  StartAndAwait(*receiver);
  Publish("a", "live");
  ASSERT_TRUE(inbox_.AwaitPayload("live"));
  EXPECT_THAT(inbox_.payloads(), ElementsAre("live"));
  EXPECT_FALSE(inbox_.messages()[0].is_retained);
}

TEST(PahoReceiverOptionsTest, RefusesWhatCannotBeUsedAndNamesIt) {
  const auto error_with = [](const std::function<void(Connection&)>& change, int qos = 1) {
    Connection connection = ConnectionTo("mqtt://127.0.0.1:1");
    change(connection);
    const Status status = MakePahoReceiver(connection)->Start({{"a", qos}}, nullptr, nullptr);
    EXPECT_EQ(status.code(), Code::kInvalid);
    return status.message();
  };
  EXPECT_THAT(error_with([](Connection& c) { c.uri = "http://x"; }), HasSubstr("'http://x'"));
  EXPECT_THAT(error_with([](Connection& c) { c.client_id = ""; }), HasSubstr("client_id"));
  EXPECT_THAT(error_with([](Connection& c) { c.keepalive = 0s; }), HasSubstr("keepalive 0"));
  EXPECT_THAT(error_with([](Connection& c) { c.session_expiry = 0s; }), HasSubstr("expiry 0"));
  EXPECT_THAT(error_with([](Connection& c) { c.session_expiry = 2147483648s; }),
              HasSubstr("1 to 2147483647"));
  EXPECT_THAT(error_with([](Connection& c) { c.receive_maximum = 0; }), HasSubstr("receive_max"));
  EXPECT_THAT(error_with([](Connection& c) { c.reconnect_min = 11s; }), HasSubstr("reconnect_min"));
  EXPECT_THAT(error_with([](Connection&) {}, 3), HasSubstr("QoS 3"));
}

// Names and passwords that a broker knows, and what they may do.
class PahoReceiverAccessTest : public ::testing::TestWithParam<Version> {
 protected:
  static void SetPassword(const std::filesystem::path& file, const std::string& password) {
    support::Process process({"mosquitto_passwd", "-b", "-c", file, "gw", password});
    ASSERT_EQ(process.Wait(), 0) << process.errors();
    std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  }
  support::TempDir directory_;
  Inbox inbox_;
};
INSTANTIATE_TEST_SUITE_P(Versions, PahoReceiverAccessTest,
                         ::testing::Values(Version::k5, Version::k311), VersionName);

TEST_P(PahoReceiverAccessTest, AWrongPasswordIsToldAndTriedAgain) {
  const std::filesystem::path file = directory_ / "passwords";
  SetPassword(file, "right");
  Broker broker({.lines = {"allow_anonymous false", "password_file " + file.string()}});
  ASSERT_TRUE(broker.Start().ok());
  Connection connection = ConnectionTo(broker.uri(), GetParam());
  connection.username = "gw";
  connection.password = "topsecret";
  const auto receiver = MakePahoReceiver(connection);
  ASSERT_TRUE(receiver->Start({{"a", 1}}, inbox_.on_message(), inbox_.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitWhy("refuses the connection: ")) << inbox_.whys();
  EXPECT_THAT(inbox_.whys(), HasSubstr("uthorized"));
  EXPECT_THAT(inbox_.whys(), Not(HasSubstr("topsecret")));
  EXPECT_FALSE(receiver->is_receiving());

  SetPassword(file, "topsecret");
  ASSERT_TRUE(broker.Restart().ok());
  EXPECT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
}

// Mosquitto's own access lists never refuse a subscription, its plug-in for dynamic security does.
constexpr const char* kNoSubscriptionToB = R"({
  "defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
                       "subscribe": false, "unsubscribe": true},
  "clients": [], "groups": [{"groupname": "all", "roles": [{"rolename": "all"}]}],
  "anonymousGroup": "all",
  "roles": [{"rolename": "all", "acls": [
    {"acltype": "publishClientSend", "topic": "$CONTROL/#", "allow": true},
    {"acltype": "subscribeLiteral", "topic": "a", "allow": true}]}]})";
constexpr const char* kAllowSubscriptionToB = R"({"commands": [
  {"command": "addRoleACL", "rolename": "all", "acltype": "subscribeLiteral", "topic": "b",
   "allow": true}]})";

TEST_P(PahoReceiverAccessTest, ARefusedSubscriptionIsToldAndTriedAgainWhileTheOthersWork) {
  const std::filesystem::path file = directory_ / "dynamic.json";
  std::ofstream(file) << kNoSubscriptionToB;
  Broker broker({.lines = {"plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so",
                           "plugin_opt_config_file " + file.string()}});
  const Status started = broker.Start();
  ASSERT_TRUE(started.ok()) << started.message();
  const auto receiver = MakePahoReceiver(ConnectionTo(broker.uri(), GetParam()));
  ASSERT_TRUE(receiver->Start({{"a", 1}, {"b", 1}}, inbox_.on_message(), inbox_.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitWhy("refuses subscription 'b': ")) << inbox_.whys();
  EXPECT_FALSE(receiver->is_receiving());
  ASSERT_TRUE(support::Publish(broker, "a", "1").ok());
  EXPECT_TRUE(inbox_.AwaitPayload("1")) << inbox_.whys();

  // Who is affected by a change is thrown out, the messenger too.
  static_cast<void>(
      support::Publish(broker, "$CONTROL/dynamic-security/v1", kAllowSubscriptionToB));
  ASSERT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
  ASSERT_TRUE(support::Publish(broker, "b", "2").ok());
  EXPECT_TRUE(inbox_.AwaitPayload("2")) << inbox_.whys();
  if (GetParam() == Version::k5) {
    EXPECT_THAT(inbox_.whys(), HasSubstr("lost: Administrative action"));
  }
}

TEST_P(PahoReceiverAccessTest, ARefusedSubscriptionThatIsOptionalIsDoneWithout) {
  const std::filesystem::path file = directory_ / "dynamic.json";
  std::ofstream(file) << kNoSubscriptionToB;
  Broker broker({.lines = {"plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so",
                           "plugin_opt_config_file " + file.string()}});
  const Status started = broker.Start();
  ASSERT_TRUE(started.ok()) << started.message();
  const auto receiver = MakePahoReceiver(ConnectionTo(broker.uri(), GetParam()));
  ASSERT_TRUE(
      receiver->Start({{"a", 1}, {"b", 1, true}}, inbox_.on_message(), inbox_.on_state()).ok());
  ASSERT_TRUE(inbox_.AwaitReceiving()) << inbox_.whys();
  ASSERT_TRUE(support::Publish(broker, "a", "1").ok());
  EXPECT_TRUE(inbox_.AwaitPayload("1")) << inbox_.whys();
}

}  // namespace
}  // namespace gemel::mqtt
