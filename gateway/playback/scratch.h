#pragma once

#include <filesystem>
#include <utility>

#include "gateway/base/status.h"

namespace gemel::playback {

// A folder of its own below the system's temporary one, gone with the object.
class Scratch {
 public:
  // Unavailable if the disk refuses.
  static Result<Scratch> Make();
  ~Scratch();
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit Scratch(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace gemel::playback
