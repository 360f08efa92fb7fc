#include "gateway/http/server.h"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "gateway/http/connection.h"

namespace gemel::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// How often deadlines are looked at: as often as the shortest of them needs.
std::chrono::milliseconds SweepPeriod(const ServerOptions& options) {
  const auto shortest = std::min(
      {options.idle_timeout, options.header_timeout, options.body_timeout, options.write_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(250));
}

// Before the next try, when there were no descriptors left for a client.
constexpr std::chrono::milliseconds kAcceptPause{100};
// What clients get at the end to take responses that were ready.
constexpr std::chrono::milliseconds kStopPatience{1'000};

}  // namespace

// The acceptor and the thread of the sockets.
class Server::Transport {
 public:
  Transport(const ServerOptions& options, std::vector<Resource> resources)
      : service_(options, std::move(resources)),
        acceptor_(service_.io),
        accept_timer_(service_.io),
        sweep_timer_(service_.io),
        stop_timer_(service_.io),
        sweep_period_(SweepPeriod(options)) {}

  Status Listen() {
    const ServerOptions& options = service_.options;
    error_code error;
    tcp::resolver resolver(service_.io);
    // Numbers only pass through here.
    const auto found =
        resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
    if (!error) ListenAt(found.begin()->endpoint(), error);
    if (error) {
      return Unavailable(fmt::format("http.listen {}: {}",
                                     FormatEndpoint(options.host, options.port), error.message()));
    }
    port_ = acceptor_.local_endpoint().port();
    service_.hosts = HostList(options.host, port_, options.hosts);
    return {};
  }

  void Run() {
    Accept();
    thread_ = std::jthread([this] {
      pthread_setname_np(pthread_self(), "gemel-http");
      service_.io.run();
    });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(service_.io, [this] { BeginStop(); });
    service_.workers.Stop();
    asio::post(service_.io, [this] { EndStop(); });
    thread_.join();
  }

  uint16_t port() const { return port_; }
  const std::string& host() const { return service_.options.host; }

 private:
  void ListenAt(const tcp::endpoint& endpoint, error_code& error) {
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  }

  void Accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        Admit(std::move(socket));
        return Accept();
      }
      // A client that is gone already is nothing; otherwise we are out of descriptors, and trying
      // at once would only burn time.
      if (error == asio::error::connection_aborted) return Accept();
      CloseSparest();
      accept_timer_.expires_after(kAcceptPause);
      accept_timer_.async_wait([this](const error_code& cancelled) {
        if (!cancelled) Accept();
      });
    });
  }

  void Admit(tcp::socket socket) {
    if (service_.connections.size() >= service_.options.connections_max && !CloseSparest()) {
      const Response response = Problem(503, "too many clients are being answered; try again");
      const std::string text = WriteHead(response, After::kClose, "") + response.body;
      error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(text), ignored);
      return;
    }
    auto connection = std::make_shared<Connection>(std::move(socket), service_);
    service_.connections.insert(connection);
    connection->Start();
    if (!std::exchange(is_sweeping_, true)) SweepLater();
  }

  // Makes room for one more. False if every connection is owed a response.
  bool CloseSparest() {
    std::shared_ptr<Connection> sparest;
    for (const auto& connection : service_.connections) {
      if (connection->spareness() == 0) continue;
      if (!sparest || connection->spareness() > sparest->spareness() ||
          (connection->spareness() == sparest->spareness() &&
           connection->waits_since() < sparest->waits_since())) {
        sparest = connection;
      }
    }
    if (sparest) sparest->Close();
    return sparest != nullptr;
  }

  void SweepLater() {
    sweep_timer_.expires_after(sweep_period_);
    sweep_timer_.async_wait([this](const error_code&) {
      // Copied, because connections remove themselves.
      const std::vector connections(service_.connections.begin(), service_.connections.end());
      const auto now = Connection::Clock::now();
      for (const auto& connection : connections) connection->CheckDeadline(now);
      is_sweeping_ = !service_.connections.empty();
      if (is_sweeping_) return SweepLater();
      stop_timer_.cancel();
    });
  }

  void BeginStop() {
    service_.is_stopping = true;
    error_code ignored;
    acceptor_.close(ignored);
    accept_timer_.cancel();
    const std::vector connections(service_.connections.begin(), service_.connections.end());
    for (const auto& connection : connections) connection->CloseWhenAnswered();
  }

  // The event loop ends by itself once nothing is under way.
  void EndStop() {
    if (service_.connections.empty()) return;
    stop_timer_.expires_after(kStopPatience);
    stop_timer_.async_wait([this](const error_code&) { CloseAll(); });
  }

  void CloseAll() {
    const std::vector connections(service_.connections.begin(), service_.connections.end());
    for (const auto& connection : connections) connection->Close();
  }

  Service service_;
  tcp::acceptor acceptor_;
  asio::steady_timer accept_timer_;
  asio::steady_timer sweep_timer_;
  asio::steady_timer stop_timer_;
  const std::chrono::milliseconds sweep_period_;
  bool is_sweeping_ = false;
  uint16_t port_ = 0;
  std::jthread thread_;
};

Server::Server(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                              std::vector<Resource> resources) {
  auto transport = std::make_unique<Transport>(options, std::move(resources));
  GEMEL_TRY(transport->Listen());
  transport->Run();
  return std::unique_ptr<Server>(new Server(std::move(transport)));
}

Server::~Server() { Stop(); }

uint16_t Server::port() const { return transport_->port(); }

std::string Server::address() const {
  return FormatEndpoint(transport_->host(), transport_->port());
}

void Server::Stop() { transport_->Stop(); }

}  // namespace gemel::http
