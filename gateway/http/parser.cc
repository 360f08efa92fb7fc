#include "gateway/http/parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace gemel::http {
namespace {

namespace beast = boost::beast;
using State = RequestParser::State;
using Step = RequestParser::Step;

Step Refuse(const beast::error_code& code) {
  using beast::http::error;
  if (code == error::header_limit) return {State::kRefused, 0, 431, "the header is too large"};
  if (code == error::body_limit) return {State::kRefused, 0, 413, "the body is too large"};
  if (code == error::bad_version) {
    return {State::kRefused, 0, 400, "the request line does not end in HTTP/1.1 and CR LF"};
  }
  if (code == error::bad_content_length || code == error::bad_transfer_encoding) {
    return {State::kRefused, 0, 400, "Content-Length and Transfer-Encoding leave doubt"};
  }
  return {State::kRefused, 0, 400, "this is not HTTP/1.1"};
}

}  // namespace

struct RequestParser::Implementation {
  explicit Implementation(const Limits& options) : limits(options) {
    parser.header_limit(static_cast<uint32_t>(limits.header_bytes_max));
    parser.body_limit(limits.body_bytes_max);
  }

  void ReadHead() {
    const auto& message = parser.get();
    head.method = std::string(message.method_string());
    head.target = std::string(message.target());
    head.keeps_open = message.keep_alive();
    head.has_body = !parser.is_done();
    head.has_expectation = message.count(beast::http::field::expect) > 0;
    head.content_type = std::string(message[beast::http::field::content_type]);
    for (const auto& field : message) {
      if (field.name() == beast::http::field::host) head.hosts.emplace_back(field.value());
      if (field.name() == beast::http::field::origin) head.origins.emplace_back(field.value());
      if (beast::iequals(field.name_string(), "Sec-Fetch-Site"))
        head.fetch_sites.emplace_back(field.value());
      if (field.name() == beast::http::field::transfer_encoding) {
        if (!head.transfer_encoding.empty()) head.transfer_encoding += ", ";
        head.transfer_encoding += std::string(field.value());
      }
    }
  }

  Limits limits;
  beast::http::request_parser<beast::http::string_body> parser;
  RequestHead head;
  size_t header_bytes = 0;
  bool has_said_head = false;
};

RequestParser::RequestParser(const Limits& limits)
    : implementation_(std::make_unique<Implementation>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Step RequestParser::Read(std::string_view bytes) {
  Implementation& it = *implementation_;
  Step step;
  while (!it.parser.is_done()) {
    const std::string_view rest = bytes.substr(step.consumed);
    if (rest.empty()) return step;
    beast::error_code error;
    const size_t used = it.parser.put({rest.data(), rest.size()}, error);
    step.consumed += used;
    if (!it.has_said_head) it.header_bytes += used;
    const size_t unused = rest.size() - used;
    if (error && error != beast::http::error::need_more) return Refuse(error);
    if (it.parser.is_header_done() && !it.has_said_head) {
      if (it.header_bytes > it.limits.header_bytes_max) {
        return Refuse(beast::http::error::header_limit);
      }
      it.has_said_head = true;
      it.ReadHead();
      step.state = State::kHead;
      return step;
    }
    if (error) {
      // Between chunks the library has no bound for what it asks to be kept.
      const size_t kept = unused + (it.has_said_head ? 0 : it.header_bytes);
      if (kept > it.limits.header_bytes_max) return Refuse(beast::http::error::header_limit);
      return step;
    }
  }
  step.state = State::kDone;
  return step;
}

const RequestHead& RequestParser::head() const { return implementation_->head; }

std::string RequestParser::TakeBody() { return std::move(implementation_->parser.get().body()); }

}  // namespace gemel::http
