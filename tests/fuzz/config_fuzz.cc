#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/assert.h"
#include "gateway/config/load.h"

namespace {

// Lines of NAME=value, as `env` prints them.
gemel::config::Environment ReadEnvironment(std::string_view text) {
  gemel::config::Environment environment;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    environment.insert_or_assign(std::string(line.substr(0, equals)), line.substr(equals + 1));
  }
  return environment;
}

}  // namespace

// A configuration, and after the first NUL byte, if there is one, an environment. Whatever they
// hold, the answer is a configuration or one line.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(0, input.find('\0'));
  const auto environment = ReadEnvironment(input.substr(std::min(size, text.size() + 1)));
  const auto config = gemel::config::Parse(text, "gemel.json", "/nonexistent", environment);
  if (config.ok()) return 0;
  const std::string& message = config.status().message();
  GEMEL_ASSERT(!message.empty() && message.find('\n') == std::string::npos);
  // Only valijson says this: what it refuses should have been explained before.
  GEMEL_ASSERT(message.find("does not follow schema") == std::string::npos);
  return 0;
}
