#pragma once

#include <unistd.h>

#include <utility>

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

}  // namespace gemel::journal
