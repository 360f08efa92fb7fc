#include "gateway/http/parser.h"

#include <gtest/gtest.h>

namespace gemel::http {
namespace {

using State = RequestParser::State;

TEST(ParserTest, SaysHeadOnceAndThenDone) {
  RequestParser parser({});
  const std::string_view text = "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET";
  const auto head = parser.Read(text);
  EXPECT_EQ(head.state, State::kHead);
  EXPECT_EQ(parser.head().target, "/a");
  EXPECT_EQ(parser.head().hosts, std::vector<std::string>{"h"});
  EXPECT_TRUE(parser.head().has_body);
  const auto body = parser.Read(text.substr(head.consumed));
  EXPECT_EQ(body.state, State::kDone);
  EXPECT_EQ(head.consumed + body.consumed, text.size() - 3);
  EXPECT_EQ(parser.TakeBody(), "abc");
}

TEST(ParserTest, ReadsTheSameHoweverTheBytesAreCut) {
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\nX: y\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser({});
    std::string input;
    auto state = State::kNeedsMore;
    for (size_t at = 0; at < text.size(); at += step) {
      input += text.substr(at, step);
      do {
        const auto read = parser.Read(input);
        ASSERT_NE(read.state, State::kRefused) << read.why;
        input.erase(0, read.consumed);
        state = read.state;
      } while (state == State::kHead);
    }
    EXPECT_EQ(state, State::kDone) << step;
    EXPECT_EQ(parser.TakeBody(), "abc");
  }
}

TEST(ParserTest, HeaderCutIntoBytesKeepsItsBound) {
  RequestParser parser({.header_bytes_max = 1'000});
  std::string input = "GET / HTTP/1.1\r\n";
  auto step = parser.Read(input);
  for (int i = 0; i < 2'000 && step.state == State::kNeedsMore; ++i) {
    input.erase(0, step.consumed);
    input += "a: b\r\n";
    step = parser.Read(input);
  }
  EXPECT_EQ(step.state, State::kRefused);
  EXPECT_EQ(step.status, 431);
}

}  // namespace
}  // namespace gemel::http
