#include "gateway/http/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include <fmt/format.h>

#include "tests/http/site.h"

namespace gemel::http {
namespace {

using namespace std::chrono_literals;

class ServerTest : public Site {};

TEST_F(ServerTest, AnswersAtTheAddressThatItReports) {
  Open();
  EXPECT_EQ(server_->address(), fmt::format("127.0.0.1:{}", port()));
  const auto answer = Exchange(port(), Get("/ok"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_EQ(answer->Header("Content-Security-Policy"), "default-src 'self'");
  EXPECT_EQ(answer->Header("X-Content-Type-Options"), "nosniff");
  EXPECT_TRUE(answer->Header("Date").ends_with(" GMT")) << answer->head;
}

TEST_F(ServerTest, PortInUseIsOneLineThatNamesTheAddress) {
  Open();
  const auto second = Server::Start({.port = port()}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_EQ(second.status().message(),
            fmt::format("http.listen 127.0.0.1:{}: Address already in use", port()));
}

TEST_F(ServerTest, AddressOfAnotherMachineIsRefusedByName) {
  const auto server = Server::Start({.host = "192.0.2.1", .port = 0}, {});
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.status().message().find("192.0.2.1:0"), std::string::npos);
}

TEST_F(ServerTest, NamesThatWereAllowedAreServedExactly) {
  Open({.host = "0.0.0.0", .hosts = {"Gateway.example", "192.0.2.7", "2001:db8::7"}});
  const auto with_host = [&](std::string_view host) {
    return StatusOf(fmt::format("GET /ok HTTP/1.1\r\nHost: {}\r\n\r\n", host));
  };
  for (const char* name : {"gateway.example", "192.0.2.7", "[2001:db8::7]"}) {
    EXPECT_EQ(with_host(name), 200) << name;
    EXPECT_EQ(with_host(fmt::format("{}:{}", name, port())), 200) << name;
    EXPECT_EQ(with_host(fmt::format("{}:{}", name, port() + 1)), 421) << name;
    EXPECT_EQ(with_host(fmt::format("x{}:{}", name, port())), 421) << name;
  }
  for (const char* name :
       {"example", "evil.gateway.example", "gateway.example.", "192.0.2.8", "*"}) {
    EXPECT_EQ(with_host(name), 421) << name;
    EXPECT_EQ(with_host(fmt::format("{}:{}", name, port())), 421) << name;
  }
  EXPECT_EQ(StatusOf(Get("/ok")), 200);
}

TEST_F(ServerTest, KeepsTheConnectionOpenForTheNextRequest) {
  Open();
  Socket socket = Connect();
  for (int i = 0; i < 3; ++i) {
    socket.Send(Get("/ok"));
    ASSERT_EQ(socket.Receive()->status, 200);
  }
  socket.Send(Get("/ok", "Connection: close\r\n"));
  EXPECT_EQ(socket.Receive()->Header("Connection"), "close");
  EXPECT_TRUE(socket.IsClosed());
}

TEST_F(ServerTest, Http10ClosesUnlessAskedNotTo) {
  Open();
  Socket socket = Connect();
  socket.Send(fmt::format("GET /ok HTTP/1.0\r\nHost: localhost:{}\r\n\r\n", port()));
  EXPECT_EQ(socket.Receive()->status, 200);
  EXPECT_TRUE(socket.IsClosed());
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Open();
  Socket socket = Connect();
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += Get(fmt::format("/echo/{}", i));
  socket.Send(requests);
  for (int i = 0; i < 300; ++i) {
    const auto answer = socket.Receive();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->body, std::to_string(i));
  }
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  Open();
  Socket socket = Connect();
  const auto head = [&](std::string_view target) {
    return fmt::format("HEAD {} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", target, port());
  };
  socket.Send(head("/ok") + head("/nothing") + Get("/ok"));
  EXPECT_EQ(socket.Receive(false)->Header("Content-Length"), "2");
  EXPECT_EQ(socket.Receive(false)->status, 404);
  EXPECT_EQ(socket.Receive()->body, "ok");
}

TEST_F(ServerTest, AHandlerThatThrowsIsA500AndTheNextRequestIsServed) {
  Open();
  Socket socket = Connect();
  socket.Send(Get("/throws") + Get("/ok"));
  const auto answer = socket.Receive();
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->Header("Content-Type"), "application/problem+json");
  EXPECT_NE(answer->body.find("no luck"), std::string::npos);
  EXPECT_EQ(socket.Receive()->status, 200);
}

TEST_F(ServerTest, WaitingHandlersHoldNeitherQuickOnesNorTheSockets) {
  Open({.workers = 1, .queue_max = 1});
  Socket working = Connect();
  working.Send(Get("/slow"));
  AwaitSlow(1);
  Socket queued = Connect();
  queued.Send(Get("/slow"));
  // One thread serves the sockets in the order of their bytes, so the queue is full after this.
  ExpectStillServes();
  EXPECT_EQ(StatusOf(Get("/slow")), 503);
  Release();
  EXPECT_EQ(working.Receive()->body, "slow");
  EXPECT_EQ(queued.Receive()->body, "slow");
}

TEST_F(ServerTest, IdleClientsMakeRoomForNewOnes) {
  Open();
  std::vector<Socket> idle;
  idle.reserve(600);
  for (int i = 0; i < 600; ++i) idle.push_back(Connect());
  ExpectStillServes();
  EXPECT_TRUE(idle.front().IsClosed());
  idle.back().Send(Get("/ok"));
  EXPECT_EQ(idle.back().Receive()->status, 200);
}

TEST_F(ServerTest, ClientsThatAreOwedAResponseAreNotClosedForOthers) {
  Open({.connections_max = 2, .workers = 2});
  Socket first = Connect();
  Socket second = Connect();
  first.Send(Get("/slow"));
  second.Send(Get("/slow"));
  AwaitSlow(2);
  EXPECT_EQ(StatusOf(Get("/ok")), 503);
  Release();
  EXPECT_EQ(first.Receive()->body, "slow");
  EXPECT_EQ(second.Receive()->body, "slow");
}

TEST_F(ServerTest, HeaderThatTricklesIsGivenUpInAll) {
  Open({.header_timeout = 200ms});
  Socket socket = Connect();
  const std::string request = Get("/ok", "X: " + std::string(10'000, 'x') + "\r\n");
  size_t sent = 0;
  // A byte now and then does not extend the time.
  while (sent < request.size() && socket.Send(request.substr(sent, 1)) && !socket.IsClosed(10ms)) {
    ++sent;
  }
  EXPECT_LT(sent, request.size());
}

TEST_F(ServerTest, HeaderThatStopsIsA408) {
  Open({.header_timeout = 100ms});
  Socket socket = Connect();
  socket.Send("GET /ok HTT");
  EXPECT_EQ(socket.Receive()->status, 408);
  EXPECT_TRUE(socket.IsClosed());
}

TEST_F(ServerTest, BodyThatStopsIsA408) {
  Open({.body_timeout = 100ms});
  Socket socket = Connect();
  socket.Send(Get("/ok", "Content-Length: 10\r\n") + "abc");
  EXPECT_EQ(socket.Receive()->status, 408);
  EXPECT_TRUE(socket.IsClosed());
}

TEST_F(ServerTest, IdleConnectionIsClosedWithoutAWord) {
  Open({.idle_timeout = 50ms});
  Socket socket = Connect();
  EXPECT_FALSE(socket.Receive());
}

TEST_F(ServerTest, SlowReaderIsDropped) {
  Open({.idle_timeout = 1s, .write_timeout = 100ms, .read_bytes_per_second_min = size_t{1} << 30});
  Socket socket = Connect();
  socket.Send(Get("/large"));
  // Idle, and so closed later than the reader, who is looked for in the same order.
  EXPECT_TRUE(Connect().IsClosed());
  EXPECT_FALSE(socket.Receive());
}

TEST_F(ServerTest, WhatWaitsForSlowReadersIsBounded) {
  Open({.response_bytes_max = 1});
  Socket reader = Connect();
  reader.Send(Get("/large"));
  int status = 200;
  // Until the response is being sent, others are served.
  while (status == 200) status = StatusOf(Get("/echo/x"));
  EXPECT_EQ(status, 503);
  ExpectStillServes();
  EXPECT_EQ(reader.Receive()->body.size(), kLargeBytes);
  EXPECT_EQ(StatusOf(Get("/echo/x")), 200);
}

TEST_F(ServerTest, RunsOutOfDescriptorsAndRecovers) {
  Open();
  Socket idle = Connect();
  idle.Send(Get("/ok"));
  ASSERT_EQ(idle.Receive()->status, 200);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  Socket probe = Connect();
  ExpectStillServes();
  // Enough for the client's end of one more connection, and not for the server's.
  const int next = dup(0);
  close(next);
  const rlimit tight{static_cast<rlim_t>(next) + 1, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  Socket socket = Connect();
  socket.Send(Get("/ok"));
  const auto answer = socket.Receive();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
}

TEST_F(ServerTest, StopAnswersWhatWorkersHaveAndClosesTheRest) {
  Open();
  Socket working = Connect();
  Socket idle = Connect();
  idle.Send(Get("/ok"));
  EXPECT_EQ(idle.Receive()->status, 200);
  working.Send(Get("/slow"));
  AwaitSlow(1);
  std::jthread stop([this] { server_->Stop(); });
  EXPECT_TRUE(idle.IsClosed());
  Release();
  const auto answer = working.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "slow");
  EXPECT_TRUE(working.IsClosed());
}

TEST_F(ServerTest, StopTwiceIsNothing) {
  Open();
  server_->Stop();
  server_->Stop();
}

}  // namespace
}  // namespace gemel::http
