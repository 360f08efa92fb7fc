#include "tests/scenario/gateway_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <thread>

#include <fmt/format.h>

namespace gemel::scenario {
namespace {

// Under a sanitizer, beside other tests, and behind all that a broker has kept.
constexpr std::chrono::seconds kPatience{120};
using Steady = std::chrono::steady_clock;

// Asks again until it is so; the state lives in another process, which sends no notice.
template <typename Condition>
bool Await(const Condition& is_so, std::chrono::milliseconds patience = kPatience) {
  const auto until = Steady::now() + patience;
  while (Steady::now() < until) {
    if (is_so()) return true;
    std::this_thread::yield();
    timespec wait{0, 20'000'000};
    ::nanosleep(&wait, nullptr);
  }
  return false;
}

}  // namespace

HttpAnswer HttpGet(uint16_t port, const std::string& path) {
  HttpAnswer answer;
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{10, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", path, port);
    ::send(socket, request.data(), request.size(), MSG_NOSIGNAL);
    std::string all;
    char buffer[16'384];
    ssize_t size = 0;
    while ((size = ::recv(socket, buffer, sizeof buffer, 0)) > 0)
      all.append(buffer, static_cast<size_t>(size));
    const size_t body = all.find("\r\n\r\n");
    if (body != std::string::npos && all.size() > 12) {
      std::from_chars(all.data() + 9, all.data() + 12, answer.status);
      answer.body = all.substr(body + 4);
    }
  }
  ::close(socket);
  return answer;
}

std::string GemelProgram() { return GEMEL_BUILD_DIR "/bin/gemel"; }

std::string PluginPath(std::string_view name) {
  return fmt::format("{}/lib/gemel/models/{}.so", GEMEL_BUILD_DIR, name);
}

GatewayProcess::GatewayProcess(const support::Broker& broker, nlohmann::json configuration) {
  if (!configuration["mqtt"].contains("uri")) configuration["mqtt"]["uri"] = broker.uri();
  if (!configuration["mqtt"].contains("client_id")) configuration["mqtt"]["client_id"] = "scenario";
  configuration["journal"]["path"] = (folder_ / "journal").string();
  configuration["store"]["path"] = (folder_ / "gemel.db").string();
  configuration["http"]["listen"] = "127.0.0.1:0";
  std::ofstream(folder_ / "gemel.json") << configuration.dump(2);
}

void GatewayProcess::Launch(std::vector<std::string> environment) {
  process_ = std::make_unique<support::Process>(
      std::vector<std::string>{GemelProgram(), "run", (folder_ / "gemel.json").string()},
      support::Process::Options{.environment = std::move(environment)});
}

bool GatewayProcess::TakePort(std::string_view line) {
  constexpr std::string_view kHttp = " http=127.0.0.1:";
  const size_t http = line.find(kHttp);
  if (http == std::string::npos) return false;
  http_port_ = 0;
  std::from_chars(line.data() + http + kHttp.size(), line.data() + line.size(), http_port_);
  return http_port_ != 0;
}

bool GatewayProcess::Start(std::vector<std::string> environment) {
  Launch(std::move(environment));
  const auto ready = process_->ReadLineWith("ready ", kPatience);
  if (!ready) return false;
  ready_line_ = *ready;
  return TakePort(*ready);
}

bool GatewayProcess::StartAlone() {
  Launch({});
  return Await([&] {
    const std::string errors = process_->errors();
    return errors.ends_with('\n') && TakePort(errors);
  });
}

std::optional<int> GatewayProcess::Stop() {
  process_->Signal(SIGTERM);
  return process_->Wait();
}

void GatewayProcess::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait();
}

double GatewayProcess::Metric(std::string_view name) const {
  const std::string text = Get("/metrics").body;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ') {
      return std::strtod(line.data() + name.size(), nullptr);
    }
    at = end + 1;
  }
  return 0;
}

bool GatewayProcess::AwaitMetric(std::string_view name, double value) const {
  return Await([&] { return Metric(name) >= value; });
}

bool GatewayProcess::AwaitHttp(const std::string& path, int status,
                               std::chrono::milliseconds patience) const {
  return Await([&] { return Get(path).status == status; }, patience);
}

bool GatewayProcess::AwaitReceiving() const {
  return Await([&] { return Get("/readyz").status == 200; });
}

bool GatewayProcess::AwaitQuiet() const {
  return Await([&] {
    return Get("/readyz").status == 200 && Metric("gemel_journal_lag_bytes") == 0 &&
           Metric("gemel_outbox_effects") == 0;
  });
}

nlohmann::json EchoConfiguration() {
  return nlohmann::json::parse(fmt::format(R"({{
    "mqtt": {{ "reconnect_max": "1s" }},
    "models": [ {{ "name": "echo", "plugin": "{}" }} ],
    "routes": [ {{ "topic": "scenario/{{region}}/{{id}}/in", "model": "echo", "qos": 1, "payload": "json",
                   "command": "scenario/{{region}}/{{id}}/out" }} ],
    "shards": 2 }})",
                                           PluginPath("echo")));
}

}  // namespace gemel::scenario
