#pragma once

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "gateway/http/server.h"
#include "tests/http/socket.h"

namespace gemel::http {

// A server with a few resources of each kind.
class Site : public ::testing::Test {
 public:
  ~Site() override { Release(); }

 protected:
  static constexpr size_t kLargeBytes = size_t{32} << 20;

  void Open(ServerOptions options = {}) {
    options.port = 0;
    auto server = Server::Start(
        options, {{"/ok", Runs::kAtOnce, [](const Request&) { return Response{.body = "ok"}; }},
                  {"/slow", Runs::kOnWorker,
                   [this](const Request&) {
                     ++slow_;
                     slow_.notify_all();
                     gate_.wait();
                     return Response{.body = "slow"};
                   }},
                  {"/echo/{}", Runs::kOnWorker,
                   [](const Request& request) { return Response{.body = request.path[1]}; }},
                  {"/body", Runs::kAtOnce,
                   [](const Request& request) {
                     return Response{.body = std::to_string(request.body.size())};
                   }},
                  {"/put", Runs::kOnWorker,
                   [](const Request& request) {
                     return Response{.body = request.content_type + ":" + request.body};
                   },
                   Answers::kPost},
                  {"/large", Runs::kOnWorker,
                   [](const Request&) { return Response{.body = std::string(kLargeBytes, 'x')}; }},
                  {"/throws", Runs::kOnWorker,
                   [](const Request&) -> Response { throw std::runtime_error("no luck"); }}});
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }

  uint16_t port() const { return server_->port(); }
  Socket Connect() const { return Socket(port()); }
  std::string Get(std::string_view target, std::string_view headers = "") const {
    return http::Get(port(), target, headers);
  }
  // The status of the response to these bytes; 0 if there is none.
  int StatusOf(std::string_view bytes) const {
    const auto answer = Exchange(port(), bytes);
    return answer ? answer->status : 0;
  }
  void ExpectStillServes() const { EXPECT_EQ(StatusOf(Get("/ok")), 200); }
  // Lets /slow answer.
  void Release() {
    if (!std::exchange(is_released_, true)) gate_.count_down();
  }

  // Waits until so many requests for /slow are with a worker.
  void AwaitSlow(int count) const {
    for (int seen = slow_; seen < count; seen = slow_) slow_.wait(seen);
  }

  std::unique_ptr<Server> server_;

 private:
  std::atomic<int> slow_ = 0;
  std::latch gate_{1};
  bool is_released_ = false;
};

}  // namespace gemel::http
