// Requests that are wrong on purpose, each of which the server must answer or drop, and go on.

#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "tests/http/site.h"

namespace gemel::http {
namespace {

using namespace std::chrono_literals;

class BadRequestTest : public Site {
 protected:
  BadRequestTest() { Open(); }

  int WithHost(std::string_view host) const {
    return StatusOf(fmt::format("GET /ok HTTP/1.1\r\nHost: {}\r\n\r\n", host));
  }
  int WithLine(std::string_view line) const {
    return StatusOf(fmt::format("{}\r\nHost: 127.0.0.1:{}\r\n\r\n", line, port()));
  }
};

TEST_F(BadRequestTest, OnlyTheGatewaysOwnNamesAreServed) {
  for (const char* name : {"127.0.0.1", "localhost", "LocalHost", "[::1]"}) {
    EXPECT_EQ(WithHost(fmt::format("{}:{}", name, port())), 200) << name;
    EXPECT_EQ(WithHost(name), 421) << name;
  }
  for (const std::string& host :
       {fmt::format("evil.example:{}", port()), fmt::format("127.0.0.1:{}", port() + 1),
        fmt::format("localhost.:{}", port()), fmt::format("127.0.0.1:{}@evil", port()),
        fmt::format("x@127.0.0.1:{}", port()), fmt::format("127.1:{}", port()), std::string()}) {
    EXPECT_EQ(WithHost(host), 421) << host;
  }
}

TEST_F(BadRequestTest, NoHostAndTwoHostsAre400) {
  EXPECT_EQ(StatusOf("GET /ok HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf("GET /ok HTTP/1.0\r\n\r\n"), 400);
  const std::string host = fmt::format("Host: 127.0.0.1:{}\r\n", port());
  EXPECT_EQ(StatusOf("GET /ok HTTP/1.1\r\n" + host + host + "\r\n"), 400);
}

TEST_F(BadRequestTest, AbsoluteTargetMustNameTheGatewayToo) {
  EXPECT_EQ(WithLine(fmt::format("GET http://localhost:{}/ok HTTP/1.1", port())), 200);
  EXPECT_EQ(WithLine("GET http://evil.example/ok HTTP/1.1"), 421);
  EXPECT_EQ(WithLine("GET http:///ok HTTP/1.1"), 400);
  EXPECT_EQ(WithLine("GET ftp://localhost/ok HTTP/1.1"), 400);
}

TEST_F(BadRequestTest, OtherMethodsAre405AndSayWhatIsAllowed) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "BREW"}) {
    const auto answer = Exchange(
        port(), fmt::format("{} /ok HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", method, port()));
    ASSERT_TRUE(answer) << method;
    EXPECT_EQ(answer->status, 405) << method;
    EXPECT_EQ(answer->Header("Allow"), "GET, HEAD") << method;
  }
  EXPECT_EQ(WithLine("CONNECT evil.example:443 HTTP/1.1"), 405);
  EXPECT_EQ(WithLine("OPTIONS * HTTP/1.1"), 405);
}

TEST_F(BadRequestTest, WhatTakesAPostTakesNothingElse) {
  const auto answer = Exchange(port(), fmt::format("POST /put HTTP/1.1\r\nHost: localhost:{}\r\n"
                                                   "Content-Type: application/json\r\n"
                                                   "Content-Length: 2\r\n\r\n{{}}",
                                                   port()));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "application/json:{}");
  for (const char* method : {"GET", "PUT", "PATCH", "DELETE"}) {
    const auto other = Exchange(
        port(), fmt::format("{} /put HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", method, port()));
    ASSERT_TRUE(other) << method;
    EXPECT_EQ(other->status, 405) << method;
    EXPECT_EQ(other->Header("Allow"), "POST") << method;
  }
  EXPECT_EQ(StatusOf(fmt::format("POST /put HTTP/1.1\r\nHost: evil.example\r\n"
                                 "Content-Length: 2\r\n\r\n{{}}")),
            421);
  EXPECT_EQ(StatusOf(fmt::format("POST /nowhere HTTP/1.1\r\nHost: localhost:{}\r\n"
                                 "Content-Length: 0\r\n\r\n",
                                 port())),
            404);
}

TEST_F(BadRequestTest, CrossSitePostIsRefusedAndItsBodyIsNoRequest) {
  Socket socket = Connect();
  const std::string hidden = Get("/echo/hidden");
  socket.Send(
      fmt::format("POST /ok HTTP/1.1\r\nHost: localhost:{}\r\nOrigin: null\r\n"
                  "Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{}",
                  port(), hidden.size(), hidden));
  EXPECT_EQ(socket.Receive()->status, 405);
  EXPECT_FALSE(socket.Receive());
}

TEST_F(BadRequestTest, WhatChangesSomethingIsNotDoneForAPageOfAnotherSite) {
  const auto post = [this](std::string_view headers) {
    return StatusOf(
        fmt::format("POST /put HTTP/1.1\r\nHost: localhost:{}\r\n{}"
                    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}",
                    port(), headers));
  };
  EXPECT_EQ(post(""), 200) << "no browser";
  EXPECT_EQ(post("Sec-Fetch-Site: same-origin\r\n"), 200);
  EXPECT_EQ(post("sec-fetch-site: none\r\n"), 200) << "typed by hand";
  EXPECT_EQ(post(fmt::format("Origin: http://localhost:{}\r\n", port())), 200);
  EXPECT_EQ(post(fmt::format("Origin: https://127.0.0.1:{}\r\n", port())), 200);
  for (const char* const headers :
       {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site:\r\n",
        "Origin: null\r\n", "Origin: http://evil.example\r\n", "Origin: localhost\r\n",
        "Origin: http://localhost\r\n", "Origin:\r\n"})
    EXPECT_EQ(post(headers), 403) << headers;
  EXPECT_EQ(post(fmt::format("Origin: http://localhost:{}\r\nOrigin: null\r\n", port())), 403);
  EXPECT_EQ(post(fmt::format("Origin: http://localhost:{}.evil.example\r\n", port())), 403);
}

TEST_F(BadRequestTest, ForeignOriginGetsNoPermissionToRead) {
  const auto answer = Exchange(port(), Get("/ok", "Origin: null\r\n"));
  EXPECT_EQ(answer->Header("Access-Control-Allow-Origin"), "");
}

TEST_F(BadRequestTest, TraversalLeadsNowhere) {
  for (const char* target :
       {"/../ok", "/..", "/%2e%2e/ok", "/%2e%2e%2fok", "/%252e%252e/ok", "//ok", "/ok/", "/ok/..",
        "/echo/../ok", "/echo/", "/\\ok", "/ok%00", "/./ok"}) {
    const auto answer = Exchange(port(), Get(target));
    ASSERT_TRUE(answer) << target;
    EXPECT_EQ(answer->status, 404) << target;
  }
  // A segment stands for itself, however it was written.
  EXPECT_EQ(Exchange(port(), Get("/echo/%2e%2e%2fok"))->body, "../ok");
  EXPECT_EQ(Exchange(port(), Get("/echo/%252e"))->body, "%2e");
  EXPECT_EQ(Exchange(port(), Get("/echo/%f0%9f%9a%9a"))->body, "\U0001F69A");
}

TEST_F(BadRequestTest, MalformedEscapesAre400) {
  for (const char* target : {"/%", "/ok%2", "/%zz", "/ok?a=%", "/ok?%g0=1"}) {
    EXPECT_EQ(StatusOf(Get(target)), 400) << target;
  }
}

TEST_F(BadRequestTest, LengthsThatLeaveDoubtAre400AndEndTheConnection) {
  for (const char* headers :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: -1\r\n",
        "Content-Length: 0x10\r\n", "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 3, 4\r\n", "Content-Length: \r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    Socket socket = Connect();
    socket.Send(Get("/ok", headers));
    const auto answer = socket.Receive();
    ASSERT_TRUE(answer) << headers;
    EXPECT_EQ(answer->status, 400) << headers;
    EXPECT_TRUE(socket.IsClosed()) << headers;
  }
}

TEST_F(BadRequestTest, OtherTransferEncodingsAre501) {
  for (const char* encoding : {"gzip", "chunked, gzip", "identity", "gzip, chunked", "xchunked"}) {
    EXPECT_EQ(StatusOf(Get("/ok", fmt::format("Transfer-Encoding: {}\r\n", encoding))), 501)
        << encoding;
  }
}

TEST_F(BadRequestTest, ChunkedBodyIsReadAndBadChunksAre400) {
  const std::string chunked = Get("/body", "Transfer-Encoding: chunked\r\n");
  EXPECT_EQ(Exchange(port(), chunked + "5\r\nhello\r\n3;x=1\r\nabc\r\n0\r\n\r\n")->body, "8");
  EXPECT_EQ(StatusOf(chunked + "zz\r\nhello\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf(chunked + "5\r\nhelloXX0\r\n\r\n"), 400);
  EXPECT_EQ(StatusOf(chunked + "fffffffff\r\n"), 413);
  EXPECT_EQ(StatusOf(chunked + "fffffffffffffffff\r\n"), 400);
  // Extensions and trailers without end.
  EXPECT_EQ(StatusOf(chunked + "1;" + std::string(100'000, 'x')), 431);
  EXPECT_EQ(StatusOf(chunked + "0\r\nX: " + std::string(100'000, 'x')), 431);
}

TEST_F(BadRequestTest, OneMegabyteOfBodyIsAllOneCanSend) {
  constexpr size_t kMax = 1'024 * 1'024;
  const auto with_length = [&](size_t bytes) {
    return Get("/body", fmt::format("Content-Length: {}\r\n", bytes));
  };
  EXPECT_EQ(Exchange(port(), with_length(kMax) + std::string(kMax, 'x'))->body,
            std::to_string(kMax));
  EXPECT_EQ(StatusOf(with_length(kMax + 1)), 413);
  EXPECT_EQ(StatusOf(with_length(18'446'744'073'709'551'615u)), 413);
  std::string chunks = Get("/body", "Transfer-Encoding: chunked\r\n");
  for (int i = 0; i < 17; ++i) chunks += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  EXPECT_EQ(StatusOf(chunks + "0\r\n\r\n"), 413);
}

TEST_F(BadRequestTest, SixteenKilobytesOfHeaderIsAllOneCanSend) {
  EXPECT_EQ(StatusOf(Get("/ok", "X: " + std::string(16'000, 'x') + "\r\n")), 200);
  EXPECT_EQ(StatusOf(Get("/ok", "X: " + std::string(16'384, 'x') + "\r\n")), 431);
  EXPECT_EQ(StatusOf(Get("/" + std::string(20'000, 'x'))), 431);
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += fmt::format("X{}: y\r\n", i);
  EXPECT_EQ(StatusOf(Get("/ok", many)), 431);
}

TEST_F(BadRequestTest, SixteenMegabytesOfHeaderAreAnsweredAndThrownAway) {
  Socket socket = Connect();
  socket.Send("GET /ok HTTP/1.1\r\nX: ");
  const std::string part(65'536, 'x');
  for (int i = 0; i < 256 && socket.Send(part); ++i) {
  }
  const auto answer = socket.Receive();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 431);
  ExpectStillServes();
}

TEST_F(BadRequestTest, LastEventIdOfAMegabyteOrWithALineEnd) {
  EXPECT_EQ(StatusOf(Get("/ok", "Last-Event-ID: " + std::string(1 << 20, '7') + "\r\n")), 431);
  EXPECT_EQ(StatusOf(Get("/ok", "Last-Event-ID: 7\r\nbroken line\r\n")), 400);
  EXPECT_EQ(StatusOf(Get("/ok", "Last-Event-ID: 7\n8\r\n")), 400);
}

TEST_F(BadRequestTest, WhatIsNotHttp11IsA400) {
  const std::vector<std::string> requests = {
      "GET /ok\r\n\r\n",                              // HTTP/0.9
      "GET /ok HTTP/1.1\nHost: localhost\n\n",        // LF only
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",             // HTTP/2
      "GET /ok HTTP/1.2\r\nHost: localhost\r\n\r\n",  //
      "GET /ok HTTP/9.9\r\n\r\n",                     //
      std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) +
          std::string(64, 'x'),                    // TLS
      "GET  /ok HTTP/1.1\r\n\r\n",                 //
      " GET /ok HTTP/1.1\r\n\r\n",                 //
      "GET /o k HTTP/1.1\r\n\r\n",                 //
      "GET /ok\x01 HTTP/1.1\r\n\r\n",              //
      Get("/ok", "No colon\r\n"),                  //
      Get("/ok", "Blank : before the colon\r\n"),  //
      Get("/ok", std::string("Nul: \0\r\n", 8)),   //
      Get("/ok", ": no name\r\n"),                 //
  };
  for (const std::string& request : requests) {
    Socket socket = Connect();
    socket.Send(request);
    const auto answer = socket.Receive();
    ASSERT_TRUE(answer) << request;
    EXPECT_EQ(answer->status, 400) << request;
    EXPECT_EQ(answer->Header("Content-Type"), "application/problem+json");
    EXPECT_TRUE(socket.IsClosed()) << request;
  }
  ExpectStillServes();
}

TEST_F(BadRequestTest, ExpectationsAre417) {
  EXPECT_EQ(StatusOf(Get("/body", "Expect: 100-continue\r\nContent-Length: 3\r\n")), 417);
}

TEST_F(BadRequestTest, ProblemsQuoteWhatTheClientSent) {
  const auto answer = Exchange(port(), Get("/%22%3Cscript%3E\x7f"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body.find('\x7f'), std::string::npos);
  EXPECT_EQ(Exchange(port(), Get("/nothing"))->body,
            "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
            "\"detail\":\"there is nothing at \\\"/nothing\\\"\"}\n");
}

TEST_F(BadRequestTest, RequestCutAnywhereAndClosedHarmsNobody) {
  const std::string request =
      Get("/body", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
  for (size_t size = 0; size < request.size(); ++size) Connect().Send(request.substr(0, size));
  ExpectStillServes();
}

TEST_F(BadRequestTest, RequestInTwoPiecesIsOneRequest) {
  const std::string request =
      Get("/body", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
  for (size_t size = 1; size < request.size(); size += 7) {
    Socket socket = Connect();
    socket.Send(request.substr(0, size));
    // Served after the first piece has been read, or at least likely so.
    ExpectStillServes();
    socket.Send(request.substr(size));
    EXPECT_EQ(socket.Receive()->body, "5") << size;
  }
}

TEST_F(BadRequestTest, RandomChangesToARequestHarmNobody) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const std::string good =
      Get("/echo/1?a=b", "Transfer-Encoding: chunked\r\nX: y\r\n") + "5\r\nhello\r\n0\r\n\r\n";
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    for (int change = 0; change < 3; ++change) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    Connect().Send(bad);
  }
  ExpectStillServes();
}

}  // namespace
}  // namespace gemel::http
