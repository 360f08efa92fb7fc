#include "gateway/mqtt/connection.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mqtt/paho_publisher.h"
#include "gateway/mqtt/paho_receiver.h"
#include "tests/mqtt/inbox.h"
#include "tests/support/broker.h"

namespace gemel::mqtt {
namespace {

// TCP_NODELAY of every socket of this process that leads to the port.
std::vector<int> NoDelayOfSocketsTo(uint16_t port) {
  std::vector<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir("/proc/self/fd"), &::closedir);
  while (const dirent* const entry = ::readdir(open.get())) {
    const int socket = std::atoi(entry->d_name);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family != AF_INET || ntohs(peer.sin_port) != port) continue;
    int is_on = 0;
    size = sizeof is_on;
    ::getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &is_on, &size);
    found.push_back(is_on != 0 ? 1 : 0);
  }
  return found;
}

TEST(ConnectionTest, PacketsOfBothClientsLeaveAtOnceAfterAReconnectToo) {
  support::Broker broker;
  ASSERT_TRUE(broker.Start().ok());
  Inbox inbox;
  auto receiver = MakePahoReceiver(ConnectionTo(broker.uri()));
  ASSERT_TRUE(receiver->Start({{"a/#", 1}}, inbox.on_message(), inbox.on_state()).ok());
  ASSERT_TRUE(inbox.AwaitReceiving());
  auto publisher = MakePahoPublisher(ConnectionTo(broker.uri()), {});
  ASSERT_TRUE(publisher->Connect().ok());
  EXPECT_THAT(NoDelayOfSocketsTo(broker.port()), testing::ElementsAre(1, 1));
  ASSERT_TRUE(publisher->Connect().ok());
  EXPECT_THAT(NoDelayOfSocketsTo(broker.port()), testing::ElementsAre(1, 1));
}

}  // namespace
}  // namespace gemel::mqtt
