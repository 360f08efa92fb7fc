#include "gateway/base/log.h"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "gateway/base/json_text.h"

namespace gemel::log {
namespace {

Format format = Format::kText;

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto logger = std::make_shared<spdlog::logger>(
        "gemel", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    logger->flush_on(spdlog::level::debug);
    return logger;
  }();
  return *kLogger;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void Configure(Level level, Format line_format) {
  format = line_format;
  Logger().set_level(ToSpdlog(level));
  if (format == Format::kJson) {
    Logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","line":%v})",
                         spdlog::pattern_time_type::utc);
  }
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonText(text, out);
  return out;
}

void Write(Level level, std::string_view line) {
  // Passed as an argument, never as a format: a line may hold braces that a device sent.
  if (format == Format::kJson) {
    Logger().log(ToSpdlog(level), "{}", Quoted(line));
  } else {
    Logger().log(ToSpdlog(level), "{}", line);
  }
}

}  // namespace gemel::log
