#include "gateway/cli/run.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/end_process.h"
#include "gateway/base/log.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/gateway.h"
#include "gateway/http/hosts.h"
#include "gateway/mqtt/uri.h"

namespace gemel::cli {
namespace {

constexpr std::chrono::milliseconds kReadyPoll{20};
// What is not sent by then is kept, and goes after the next start.
constexpr std::chrono::milliseconds kDrainPatience{5'000};

// The signals that end the gateway, blocked in every thread and fetched by this one.
sigset_t BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A reader of stdout that goes away must not end the gateway, and there is no reload yet.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  return set;
}

// True if a stop was asked for before everything accepted.
bool AwaitReady(const Gateway& gateway, const sigset_t& stop) {
  while (!gateway.readiness().is_ready) {
    const timespec wait{0, std::chrono::nanoseconds(kReadyPoll).count()};
    if (sigtimedwait(&stop, nullptr, &wait) > 0) return true;
  }
  return false;
}

int Failed(const Status& status) { return Fail(kFailed, status.message().c_str()); }

log::Level ToLevel(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return log::Level::kDebug;
    case config::LogLevel::kInfo:
      return log::Level::kInfo;
    case config::LogLevel::kWarn:
      return log::Level::kWarning;
    case config::LogLevel::kError:
      break;
  }
  return log::Level::kError;
}

// Whether the gateway lives. A plug-in that calls exit() then must not end it as if it had been
// stopped, nor leave it hanging halfway among destructors.
std::atomic<int> living{0};  // NOLINT(readability-identifier-naming): std::atexit passes nothing

struct Life {
  Life() {
    ++living;
    std::atexit([] {
      if (living > 0) EndProcess("a plug-in has called exit()");
    });
  }
  ~Life() { --living; }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
};

int Run(const std::filesystem::path& path) {
  Result<config::Config> config = config::Load(path, config::ProcessEnvironment());
  if (!config.ok()) return Failed(config.status());
  log::Configure(ToLevel(config->log.level), config->log.format == config::LogFormat::kJson
                                                 ? log::Format::kJson
                                                 : log::Format::kText);
  for (const std::string& note : config->notes)
    log::Warning("configuration note={}", log::Quoted(note));
  const sigset_t stop = BlockSignals();
  const Life life;
  Result<std::unique_ptr<Gateway>> gateway =
      Gateway::Create(std::move(*config), std::filesystem::absolute(path).parent_path());
  if (!gateway.ok()) return Failed(gateway.status());
  if (Status status = (*gateway)->Start(); !status.ok()) return Failed(status);
  if (!AwaitReady(**gateway, stop)) {
    std::fputs(
        ReadyLine((*gateway)->config(), (*gateway)->http_port(), (*gateway)->twins()).c_str(),
        stdout);
    std::fflush(stdout);
    int signal_number = 0;
    sigwait(&stop, &signal_number);
  }
  log::Info("stopping=true");
  // A second signal means now: what was not applied or sent is, at the next start.
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);
  if (!(*gateway)->Stop(kDrainPatience)) {
    log::Warning(
        "unsent=kept because={}",
        log::Quoted("the broker has not acknowledged all effects; the next start sends them"));
  }
  log::Info("stopped=true");
  return kDone;
}

}  // namespace

std::string ReadyLine(const config::Config& config, uint16_t http_port, uint64_t twins) {
  const auto broker = mqtt::ParseUri(config.mqtt.uri);
  return fmt::format("ready http={} mqtt={} twins={}\n",
                     http::FormatEndpoint(config.http.listen.host, http_port), broker->HostPort(),
                     twins);
}

int RunMain(int count, const char* const* arguments) {
  CLI::App app("Runs the gateway until SIGTERM or SIGINT.", "gemel run");
  std::string path = "/etc/gemel/gemel.json";
  app.add_option("configuration", path, "Configuration file")->capture_default_str();
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  return Run(path);
}

}  // namespace gemel::cli
