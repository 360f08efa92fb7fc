#include "gateway/playback/scratch.h"

#include <stdlib.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace gemel::playback {

Result<Scratch> Scratch::Make() {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "gemel-XXXXXX").string();
  if (error || ::mkdtemp(name.data()) == nullptr) {
    if (!error) error.assign(errno, std::generic_category());
    return Unavailable(
        fmt::format("{}: a temporary folder cannot be made: {}", name, error.message()));
  }
  return Scratch(name);
}

Scratch::~Scratch() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

}  // namespace gemel::playback
