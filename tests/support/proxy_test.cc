#include "tests/support/proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace gemel::support {
namespace {

using std::chrono_literals::operator""ms;
using ::testing::ElementsAre;
using Steady = std::chrono::steady_clock;

// One end of a connection.
class End {
 public:
  explicit End(int socket) : socket_(socket) {}
  ~End() { ::close(socket_); }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  void Send(std::string_view text) {
    ASSERT_EQ(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }
  // What has come, after waiting for the first of it; "end", or "reset".
  std::string Read(std::chrono::milliseconds patience = kPatience) {
    pollfd ready{socket_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(patience.count())) == 0) return "nothing";
    char buffer[100];
    const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
    if (size < 0) return errno == ECONNRESET ? "reset" : "error";
    return size == 0 ? "end" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  int socket_;
};

// A server with a proxy before it.
class ProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_, 8), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    proxy_ = std::make_unique<Proxy>(
        ntohs(address.sin_port), [this](uint64_t /*link*/, Way way, std::string_view bytes) {
          seen_ += (way == Way::kToServer ? ">" : "<") + std::string(bytes);
        });
    ASSERT_TRUE(proxy_->Start().ok());
  }
  void TearDown() override { ::close(listener_); }

  // A client that is through to the server.
  void Connect() {
    client_ = TryToConnect();
    ASSERT_NE(client_, nullptr);
    server_ = std::make_unique<End>(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
  }
  std::unique_ptr<End> TryToConnect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(proxy_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto end = std::make_unique<End>(socket);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
      return end;
    EXPECT_EQ(errno, ECONNREFUSED);
    return nullptr;
  }

  int listener_ = -1;
  std::string seen_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<End> client_;
  std::unique_ptr<End> server_;
};

TEST_F(ProxyTest, PassesBothWaysAndShowsItsWitnessWhatPassed) {
  Connect();
  client_->Send("ask");
  EXPECT_EQ(server_->Read(), "ask");
  server_->Send("answer");
  EXPECT_EQ(client_->Read(), "answer");
  client_.reset();
  EXPECT_EQ(server_->Read(), "end");
  server_.reset();
  proxy_.reset();
  EXPECT_EQ(seen_, ">ask<answer");
}

TEST_F(ProxyTest, ADelayHoldsOneDirectionAndOnlyWhatComesAfterIt) {
  Connect();
  proxy_->Delay(Way::kToClient, 500ms);
  const auto sent = Steady::now();
  server_->Send("late");
  client_->Send("at once");
  EXPECT_EQ(server_->Read(), "at once");
  EXPECT_LT(Steady::now() - sent, 500ms);
  EXPECT_EQ(client_->Read(), "late");
  EXPECT_GE(Steady::now() - sent, 500ms);
}

TEST_F(ProxyTest, APartitionHoldsEverythingAndConnectionsStay) {
  Connect();
  proxy_->Partition();
  client_->Send("question");
  server_->Send("word");
  const auto newcomer = TryToConnect();
  EXPECT_EQ(server_->Read(50ms), "nothing");
  EXPECT_EQ(client_->Read(50ms), "nothing");
  EXPECT_EQ(proxy_->links(), 1u);
  proxy_->Heal();
  EXPECT_EQ(server_->Read(), "question");
  EXPECT_EQ(client_->Read(), "word");
}

TEST_F(ProxyTest, OneWayLossIsSilentAndItsConnectionsEndWithIt) {
  Connect();
  proxy_->Lose(Way::kToServer);
  client_->Send("lost");
  server_->Send("seen");
  EXPECT_EQ(client_->Read(), "seen");
  EXPECT_EQ(server_->Read(50ms), "nothing");
  proxy_->Heal();
  EXPECT_EQ(client_->Read(), "reset");
  EXPECT_EQ(server_->Read(), "reset");
}

TEST_F(ProxyTest, AConnectionThatLostNothingOutlivesTheLoss) {
  Connect();
  proxy_->Lose(Way::kToServer);
  proxy_->Heal();
  client_->Send("still here");
  EXPECT_EQ(server_->Read(), "still here");
}

TEST_F(ProxyTest, ACutIsAResetForBoth) {
  Connect();
  proxy_->Cut();
  EXPECT_EQ(client_->Read(), "reset");
  EXPECT_EQ(server_->Read(), "reset");
  EXPECT_EQ(proxy_->links(), 0u);
  Connect();
  client_->Send("again");
  EXPECT_EQ(server_->Read(), "again");
  EXPECT_EQ(proxy_->links_total(), 2u);
}

TEST_F(ProxyTest, AHalfClosedOneGoesOnTheOtherWay) {
  Connect();
  proxy_->HalfClose(Way::kToServer);
  EXPECT_EQ(server_->Read(), "end");
  server_->Send("last words");
  EXPECT_EQ(client_->Read(), "last words");
  server_.reset();
  EXPECT_EQ(client_->Read(), "end");
}

TEST_F(ProxyTest, RefusesNewcomersUntilItIsHealed) {
  Connect();
  proxy_->Refuse();
  EXPECT_EQ(TryToConnect(), nullptr);
  client_->Send("still here");
  EXPECT_EQ(server_->Read(), "still here");
  proxy_->Heal();
  EXPECT_NE(TryToConnect(), nullptr);
}

TEST_F(ProxyTest, AServerThatIsNotThereIsAReset) {
  ::close(listener_);
  listener_ = -1;
  const auto client = TryToConnect();
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->Read(), "reset");
}

TEST_F(ProxyTest, TheEndOfEitherSideReachesTheOther) {
  Connect();
  server_.reset();
  EXPECT_EQ(client_->Read(), "end");
  client_.reset();
  for (int look = 0; look < 1'000'000 && proxy_->links() > 0; ++look) {
  }
  EXPECT_EQ(proxy_->links(), 0u);
}

}  // namespace
}  // namespace gemel::support
