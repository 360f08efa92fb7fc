#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

// The process's log: state changes, once each, one line, key=value on stderr. What happens once a
// message is a counter, not a line.
namespace gemel::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kText, kJson };

// Before threads start. Until then lines of level info and above go to stderr as text.
void Configure(Level level, Format format);

// A value that came from outside, quoted and escaped so that it can't forge a line.
std::string Quoted(std::string_view text);

// Any thread.
void Write(Level level, std::string_view line);

template <typename... Arguments>
void Info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  Write(Level::kInfo, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <typename... Arguments>
void Warning(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  Write(Level::kWarning, fmt::format(format, std::forward<Arguments>(arguments)...));
}
template <typename... Arguments>
void Error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  Write(Level::kError, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace gemel::log
