#include "gateway/cli/record.h"

#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/base/clock.h"
#include "gateway/base/quantity.h"
#include "gateway/base/time_text.h"
#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/compile.h"
#include "gateway/config/load.h"
#include "gateway/playback/recording.h"
#include "gateway/version.h"

namespace gemel::cli {
namespace {

constexpr std::chrono::milliseconds kFollowEvery{200};

constexpr const char* kRecordFooter =
    "Makes a folder that `gemel replay FOLDER --offline` folds again: the twins as they are now,\n"
    "the journal from here on, the configuration and the plug-ins. It reads the gateway's files,\n"
    "so it must run on its machine. Without --for it goes on until Ctrl-C; --for 0s takes what is\n"
    "there. With --back it begins in the past: with the last twins that the gateway has kept from\n"
    "before then (journal.retention), or the first ones after it. Configuration and plug-ins are\n"
    "those of today.\n"
    "\nExamples:\n  gemel record friday --config /etc/gemel/gemel.json --for 10m\n"
    "  gemel record what-was-that --back 1h --for 0s";

Result<playback::Recorded> Find(const std::string& path) {
  const config::Environment environment = config::ProcessEnvironment();
  GEMEL_TRY_LET(const config::Config config, config::Load(path, environment));
  playback::Recorded recorded{.store = config.store.path,
                              .journal = config.journal.path,
                              .folder = std::filesystem::absolute(path).parent_path()};
  GEMEL_TRY_LET(recorded.meaning, config::LoadMeaning(path, environment));
  for (const config::Model& model : config.models) {
    GEMEL_TRY_LET(recorded.code[model.name], FindCode(model, recorded.folder));
  }
  return recorded;
}

// Until the time is over or somebody asks for the end.
Status FollowFor(playback::Recorder& recorder, std::optional<std::chrono::milliseconds> duration) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  const auto started = std::chrono::steady_clock::now();
  while (!duration || std::chrono::steady_clock::now() - started < *duration) {
    const timespec wait{0, std::chrono::nanoseconds(kFollowEvery).count()};
    if (sigtimedwait(&stop, nullptr, &wait) > 0) break;
    GEMEL_TRY(recorder.Follow());
  }
  return recorder.End();
}

}  // namespace

int RecordMain(int count, const char* const* arguments) {
  CLI::App app("Records what a gateway takes in, to be folded again later.", "gemel record");
  app.footer(kRecordFooter);
  std::string folder;
  std::string path = "/etc/gemel/gemel.json";
  std::string duration_text;
  std::string back_text;
  app.add_option("FOLDER", folder, "The recording; must not be there yet")->required();
  app.add_option("--config", path, "The gateway's configuration")->capture_default_str();
  app.add_option("--for", duration_text, "How long, like 10m");
  app.add_option("--back", back_text, "Begin so long ago, like 2h, instead of now");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  std::optional<std::chrono::milliseconds> duration;
  if (!duration_text.empty()) {
    const auto read = ParseDuration(duration_text);
    if (!read.ok()) return Fail(kUsage, ("record: --for: " + read.status().message()).c_str());
    duration = std::chrono::duration_cast<std::chrono::milliseconds>(*read);
  }
  std::optional<Duration> back;
  if (!back_text.empty()) {
    const auto read = ParseDuration(back_text);
    if (!read.ok()) return Fail(kUsage, ("record: --back: " + read.status().message()).c_str());
    back = *read;
  }
  auto recorded = Find(path);
  if (!recorded.ok()) return Fail(kFailed, recorded.status().message().c_str());
  if (back) recorded->from = SystemClock().Now() - *back;
  auto recorder =
      playback::Recorder::Begin(*std::move(recorded), folder, std::string("gemel ") + kVersion);
  if (!recorder.ok()) return Fail(kFailed, ("record: " + recorder.status().message()).c_str());
  if (const Status status = FollowFor(*recorder, duration); !status.ok())
    return Fail(kFailed, ("record: " + status.message()).c_str());
  if (recorder->base_made())
    fmt::print("{}: begins at {}, of which the gateway has kept the twins\n", folder,
               FormatIsoTime(recorder->base_made()->time_since_epoch().count()));
  fmt::print("{}: recorded from {:x} on, {} segments\n", folder, recorder->checkpoint(),
             recorder->segments());
  return kDone;
}

}  // namespace gemel::cli
