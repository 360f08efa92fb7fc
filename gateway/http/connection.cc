#include "gateway/http/connection.h"

#include <algorithm>
#include <ctime>
#include <exception>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/http/target.h"

namespace gemel::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// How long, and for how much, a client that was refused is listened to before the socket closes.
constexpr std::chrono::milliseconds kDrainTime{2'000};
constexpr size_t kDrainBytesMax = size_t{32} << 20;
constexpr std::chrono::hours kForever{24 * 365};

std::string Date() {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(std::time(nullptr)));
}

Response Run(const Resource& resource, const Request& request) {
  try {
    return resource.handle(request);
  } catch (const std::exception& error) {
    return Problem(500, fmt::format("the gateway failed at this request: {}", error.what()));
  }
}

// Those that some resource answers; of others it is not asked what is where.
constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PATCH"};

// Whether a browser says that a page of another site has made the request. What is no browser says
// nothing, and does what its user wants.
bool IsOfOtherSite(const RequestHead& head, const HostList& hosts) {
  const auto is_other = [](const std::string& site) {
    return site != "same-origin" && site != "none";
  };
  return std::ranges::any_of(head.fetch_sites, is_other) ||
         !std::ranges::all_of(
             head.origins, [&](const std::string& origin) { return hosts.AllowsOrigin(origin); });
}

Response NotAllowed(std::string_view method, const std::string& allowed) {
  Response response =
      Problem(405, fmt::format("{} is not allowed here; allowed: {}", Quote(method), allowed));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, Service& service)
    : socket_(std::move(socket)), service_(service) {}

void Connection::Start() {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  Enter(Phase::kIdle, service_.options.idle_timeout);
  ReadSome();
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  error_code ignored;
  socket_.close(ignored);
  service_.response_bytes -= body_.size();
  body_.clear();
  // Last, because it may free this connection.
  service_.connections.erase(shared_from_this());
}

void Connection::CloseWhenAnswered() {
  after_ = After::kClose;
  if (phase_ != Phase::kWorking && phase_ != Phase::kWriting) Close();
}

void Connection::CheckDeadline(Clock::time_point now) {
  if (now < deadline_) return;
  if (phase_ == Phase::kHeader || phase_ == Phase::kBody) {
    RefuseAndClose(Problem(
        408, phase_ == Phase::kHeader ? "the header took too long" : "the body took too long"));
  } else if (phase_ != Phase::kWorking) {
    Close();
  }
}

int Connection::spareness() const {
  switch (phase_) {
    case Phase::kDraining:
      return 3;
    case Phase::kIdle:
      return 2;
    case Phase::kHeader:
    case Phase::kBody:
      return 1;
    default:
      return 0;
  }
}

void Connection::Enter(Phase phase, std::chrono::milliseconds patience) {
  phase_ = phase;
  waits_since_ = Clock::now();
  deadline_ = waits_since_ + patience;
}

void Connection::ReadSome() {
  // After a deadline the read of before is still under way.
  if (std::exchange(is_reading_, true)) return;
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](const error_code& error, size_t bytes) {
                            self->is_reading_ = false;
                            if (error == asio::error::operation_aborted) return;
                            if (error) return self->Close();
                            self->OnRead(bytes);
                          });
}

void Connection::OnRead(size_t bytes) {
  if (phase_ == Phase::kDraining) {
    drained_bytes_ += bytes;
    return drained_bytes_ > kDrainBytesMax ? Close() : ReadSome();
  }
  // A deadline may have passed between the read and this call; then this is the last response.
  if (phase_ != Phase::kIdle && phase_ != Phase::kHeader && phase_ != Phase::kBody) return;
  input_.append(chunk_.data(), bytes);
  ParseInput();
}

void Connection::ParseInput() {
  if (phase_ == Phase::kIdle) {
    Enter(Phase::kHeader, service_.options.header_timeout);
    parser_.emplace(service_.options.limits);
  }
  while (true) {
    const RequestParser::Step step = parser_->Read(input_);
    input_.erase(0, step.consumed);
    switch (step.state) {
      case RequestParser::State::kNeedsMore:
        return ReadSome();
      case RequestParser::State::kRefused:
        return RefuseAndClose(Problem(step.status, step.why));
      case RequestParser::State::kHead:
        if (auto refusal = CheckHead()) {
          if (parser_->head().has_body) after_ = After::kClose;
          return Respond(*std::move(refusal));
        }
        Enter(Phase::kBody, service_.options.body_timeout);
        break;
      case RequestParser::State::kDone:
        return Dispatch();
    }
  }
}

std::optional<Response> Connection::CheckHead() {
  const RequestHead& head = parser_->head();
  is_head_ = head.method == "HEAD";
  if (!head.keeps_open || service_.is_stopping) after_ = After::kClose;
  const auto refuse_and_close = [this](Response response) {
    after_ = After::kClose;
    return response;
  };
  if (head.hosts.size() != 1) return refuse_and_close(Problem(400, "one Host field is needed"));
  if (!service_.hosts.Allows(head.hosts[0])) {
    return refuse_and_close(
        Problem(421, fmt::format("{} is not a name of this gateway", Quote(head.hosts[0]))));
  }
  if (!head.transfer_encoding.empty() && head.transfer_encoding != "chunked") {
    return refuse_and_close(Problem(501, "the only Transfer-Encoding understood is chunked"));
  }
  if (head.has_expectation) return refuse_and_close(Problem(417, "no expectation can be met"));
  auto target = ParseTarget(head.target);
  Found found;
  if (target) found = FindResource(service_.resources, target->path, head.method);
  const bool is_known = std::ranges::find(kMethods, head.method) != std::end(kMethods);
  if (found.resource == nullptr && (!is_known || !found.allowed.empty()))
    return NotAllowed(head.method, found.allowed.empty() ? "GET, HEAD" : found.allowed);
  resource_ = found.resource;
  if (!target) {
    return Problem(400,
                   fmt::format("{} is no path with well-formed % escapes", Quote(head.target)));
  }
  if (!target->authority.empty() && !service_.hosts.Allows(target->authority)) {
    return refuse_and_close(
        Problem(421, fmt::format("{} is not a name of this gateway", Quote(target->authority))));
  }
  if (resource_ == nullptr) {
    return Problem(404, fmt::format("there is nothing at {}", Quote(head.target)));
  }
  if (resource_->answers != Answers::kGet && IsOfOtherSite(head, service_.hosts)) {
    return refuse_and_close(Problem(403, "a page of another site may change nothing here"));
  }
  request_ = {.method = head.method,
              .path = std::move(target->path),
              .query = std::move(target->query),
              .content_type = head.content_type,
              .body = {}};
  return std::nullopt;
}

void Connection::Dispatch() {
  request_.body = parser_->TakeBody();
  if (resource_->runs == Runs::kAtOnce) return Respond(Run(*resource_, request_));
  if (service_.response_bytes > service_.options.response_bytes_max) {
    return Respond(Problem(503, "too much is being sent to clients that read slowly; try again"));
  }
  Enter(Phase::kWorking, kForever);
  // The guard keeps the event loop alive until the worker has handed its response back.
  const bool is_posted = service_.workers.Post(
      [self = shared_from_this(), guard = asio::make_work_guard(service_.io)]() mutable {
        Response response = Run(*self->resource_, self->request_);
        // Moved, so that the connection is never freed by the worker.
        asio::io_context& io = self->service_.io;
        asio::post(io, [self = std::move(self), response = std::move(response)]() mutable {
          if (self->phase_ == Phase::kWorking) self->Respond(std::move(response));
        });
      });
  if (!is_posted) Respond(Problem(503, "too many requests wait for an answer; try again"));
}

void Connection::RefuseAndClose(Response response) {
  after_ = After::kClose;
  Respond(std::move(response));
}

void Connection::Respond(Response response) {
  head_ = WriteHead(response, after_, Date());
  if (!is_head_) body_ = std::move(response.body);
  service_.response_bytes += body_.size();
  const auto taking =
      std::chrono::seconds(body_.size() / service_.options.read_bytes_per_second_min);
  Enter(Phase::kWriting, service_.options.write_timeout + taking);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head_), asio::buffer(body_)};
  asio::async_write(socket_, buffers, [self = shared_from_this()](const error_code& error, size_t) {
    if (self->phase_ != Phase::kWriting) return;
    if (error) return self->Close();
    self->OnWritten();
  });
}

void Connection::OnWritten() {
  service_.response_bytes -= body_.size();
  body_ = {};
  head_ = {};
  request_ = {};
  is_head_ = false;
  parser_.reset();
  if (after_ == After::kClose) return Drain();
  Enter(Phase::kIdle, service_.options.idle_timeout);
  // A client may have sent the next request without waiting for the answer.
  if (input_.empty()) {
    ReadSome();
  } else {
    ParseInput();
  }
}

void Connection::Drain() {
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return Close();
  input_ = {};
  Enter(Phase::kDraining, service_.is_stopping ? std::chrono::milliseconds(0) : kDrainTime);
  ReadSome();
}

}  // namespace gemel::http
