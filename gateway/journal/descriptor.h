#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/status.h"

namespace gemel::journal {

// A file descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int opened) : number(opened) {}
  Descriptor(Descriptor&& other) noexcept : number(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number, other.number);
    return *this;
  }
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  int Release() { return std::exchange(number, -1); }
  int number;  // negative: none
};

// What errno says of a file: "what" is a predicate, as in "cannot be read". Full where the disk is,
// Unavailable otherwise.
inline Status Failed(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  std::string message = fmt::format("{}: {}: {}", path.string(), what, std::strerror(error));
  const bool is_full = error == ENOSPC || error == EDQUOT;
  return {is_full ? Code::kFull : Code::kUnavailable, std::move(message)};
}

}  // namespace gemel::journal
