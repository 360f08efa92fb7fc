#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>

namespace gemel::support {

// A copy of some bytes, aligned and exactly as long, so that ASan sees who reads behind it.
class ExactBytes {
 public:
  explicit ExactBytes(std::span<const std::byte> from)
      : bytes_(std::make_unique<std::byte[]>(from.size())), size_(from.size()) {
    std::ranges::copy(from, bytes_.get());
  }
  std::span<std::byte> span() { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_;
};

}  // namespace gemel::support
