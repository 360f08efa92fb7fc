#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "tests/mqtt/inbox.h"
#include "tests/support/broker.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace gemel::mqtt {
namespace {

using support::Broker;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// Certificates that openssl makes for the test, and a broker that shows them.
class TlsTest : public ::testing::TestWithParam<Version> {
 protected:
  TlsTest() {
    MakeAuthority("ca");
    MakeCertificate("server", "subjectAltName=IP:127.0.0.1");
  }

  std::string File(const std::string& name) const { return directory_ / name; }

  static void OpenSsl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"openssl", "req", "-x509", "-nodes", "-days", "1", "-newkey", "ec",
                      "-pkeyopt", "ec_paramgen_curve:prime256v1"});
    support::Process process(std::move(arguments));
    ASSERT_EQ(process.Wait(), 0) << process.errors();
  }
  void MakeAuthority(const std::string& name) {
    OpenSsl({"-subj", "/CN=" + name, "-keyout", File(name + ".key"), "-out", File(name + ".pem")});
  }
  void MakeCertificate(const std::string& name, const std::string& extension) {
    OpenSsl({"-subj", "/CN=" + name, "-keyout", File(name + ".key"), "-out", File(name + ".pem"),
             "-CA", File("ca.pem"), "-CAkey", File("ca.key"), "-addext", extension, "-addext",
             "basicConstraints=critical,CA:FALSE"});
  }
  Broker MakeBroker(const std::string& certificate = "server",
                    std::vector<std::string> more = {}) const {
    std::vector<std::string> lines = {"certfile " + File(certificate + ".pem"),
                                      "keyfile " + File(certificate + ".key"),
                                      "cafile " + File("ca.pem")};
    lines.insert(lines.end(), more.begin(), more.end());
    return Broker({.lines = std::move(lines)});
  }
  Connection ConnectionWith(const std::string& ca, Broker& broker) const {
    const Status started = broker.Start();
    EXPECT_TRUE(started.ok()) << started.message();
    Connection connection =
        ConnectionTo("mqtts://127.0.0.1:" + std::to_string(broker.port()), GetParam());
    connection.ca_file = File(ca + ".pem");
    return connection;
  }
  // That both clients connect and carry a message.
  static void ExpectWorks(const Connection& connection) {
    Inbox inbox;
    const auto receiver = MakePahoReceiver(connection);
    ASSERT_TRUE(receiver->Start({{"a", 1}}, inbox.on_message(), inbox.on_state()).ok());
    ASSERT_TRUE(inbox.AwaitReceiving()) << inbox.whys();
    const auto publisher = MakePahoPublisher(connection, {});
    const Status connected = publisher->Connect();
    ASSERT_TRUE(connected.ok()) << connected.message();
    ASSERT_TRUE(publisher->Publish({.topic = "a", .payload = std::string(100'000, 'x')}).ok());
    EXPECT_TRUE(inbox.AwaitMessages(1));
  }
  // That neither does, and both say `why`.
  static void ExpectFails(const Connection& connection, std::string_view why) {
    Inbox inbox;
    const auto receiver = MakePahoReceiver(connection);
    ASSERT_TRUE(receiver->Start({{"a", 1}}, inbox.on_message(), inbox.on_state()).ok());
    EXPECT_TRUE(inbox.AwaitWhy(why)) << inbox.whys();
    EXPECT_FALSE(receiver->is_receiving());
    const Status connected = MakePahoPublisher(connection, {})->Connect();
    EXPECT_EQ(connected.code(), Code::kUnavailable);
    EXPECT_THAT(connected.message(), HasSubstr(why));
  }

  support::TempDir directory_;
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsTest, ::testing::Values(Version::k5, Version::k311),
                         VersionName);

TEST_P(TlsTest, TheRightAuthorityConnects) {
  Broker broker = MakeBroker();
  ExpectWorks(ConnectionWith("ca", broker));
}

TEST_P(TlsTest, AnotherAuthorityIsAClearError) {
  MakeAuthority("other");
  Broker broker = MakeBroker();
  ExpectFails(ConnectionWith("other", broker), "certificate verify failed: ");
}

TEST_P(TlsTest, ACertificateForAnotherHostIsAClearError) {
  MakeCertificate("elsewhere", "subjectAltName=IP:127.0.0.2");
  Broker broker = MakeBroker("elsewhere");
  ExpectFails(ConnectionWith("ca", broker), "certificate verify failed: IP address mismatch");
}

TEST_P(TlsTest, WithoutVerificationAnyCertificateWillDo) {
  MakeAuthority("other");
  MakeCertificate("elsewhere", "subjectAltName=IP:127.0.0.2");
  Broker broker = MakeBroker("elsewhere");
  Connection connection = ConnectionWith("other", broker);
  connection.verify_server = false;
  ExpectWorks(connection);
}

TEST_P(TlsTest, ShowsItsCertificateToABrokerThatAsks) {
  MakeCertificate("client", "extendedKeyUsage=clientAuth");
  Broker broker = MakeBroker("server", {"require_certificate true"});
  Connection connection = ConnectionWith("ca", broker);
  ExpectFails(connection, "cannot connect to broker mqtts://127.0.0.1:");
  connection.certificate_file = File("client.pem");
  connection.key_file = File("client.key");
  ExpectWorks(connection);
}

TEST_P(TlsTest, PlainTextAgainstTlsIsAnErrorAndNoConnection) {
  Broker plain;
  Connection connection = ConnectionWith("ca", plain);
  ExpectFails(connection, "cannot connect to broker mqtts://");
}

TEST_P(TlsTest, FilesThatCannotBeUsedAreNamed) {
  Connection connection = ConnectionTo("mqtts://127.0.0.1:1", GetParam());
  const auto error = [&](const std::function<void(Connection&)>& change) {
    Connection changed = connection;
    change(changed);
    const Status status = MakePahoReceiver(changed)->Start({}, nullptr, nullptr);
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_EQ(MakePahoPublisher(changed, {})->Connect().message(), status.message());
    return status.message();
  };
  EXPECT_THAT(error([](Connection& c) { c.ca_file = "/none.pem"; }),
              HasSubstr("ca_file '/none.pem': No such file"));
  EXPECT_THAT(error([&](Connection& c) { c.ca_file = File("ca.key"); }), HasSubstr("ca.key"));
  EXPECT_THAT(error([&](Connection& c) { c.certificate_file = File("ca.pem"); }),
              HasSubstr("allowed: both or none"));
  EXPECT_THAT(error([&](Connection& c) {
                c.certificate_file = File("ca.pem");
                c.key_file = File("server.key");
              }),
              AnyOf(HasSubstr("key values mismatch"), HasSubstr("key_file")));
}

}  // namespace
}  // namespace gemel::mqtt
