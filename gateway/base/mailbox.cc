#include "gateway/base/mailbox.h"

#include <bit>
#include <cstring>
#include <new>

#include "gateway/base/assert.h"

namespace gemel {
namespace {

constexpr size_t kAlignment = 64;

constexpr size_t RoundUp(size_t bytes) { return (bytes + 7) & ~size_t{7}; }

}  // namespace

void Mailbox::FreeBytes::operator()(std::byte* bytes) const {
  ::operator delete[](bytes, std::align_val_t{kAlignment});
}

Mailbox::Mailbox(size_t bytes)
    : capacity_(bytes),
      ring_(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{kAlignment}))) {
  GEMEL_ASSERT(std::has_single_bit(bytes) && bytes >= 4'096);
}

bool Mailbox::HasRoom(size_t bytes, size_t entries) const noexcept {
  // Wrapping wastes at most what is left behind the last entry before the end, which is less than
  // the largest entry; counting every entry twice covers it without knowing their order.
  const uint64_t worst = 2 * (RoundUp(bytes) + entries * (kHeaderBytes + 8));
  return reserved_ - tail_.load(std::memory_order_acquire) + worst <= capacity_;
}

std::byte* Mailbox::Reserve(size_t bytes) noexcept {
  const uint64_t need = kHeaderBytes + RoundUp(bytes);
  if (need > capacity_ / 2) return nullptr;
  uint64_t start = reserved_;
  const size_t position = start & (capacity_ - 1);
  const size_t to_end = capacity_ - position;
  if (to_end < need) start += to_end;
  if (start + need - tail_seen_ > capacity_) {
    tail_seen_ = tail_.load(std::memory_order_acquire);
    if (start + need - tail_seen_ > capacity_) return nullptr;
  }
  if (to_end < need) std::memcpy(ring_.get() + position, &kWrap, sizeof kWrap);
  std::byte* entry = ring_.get() + (start & (capacity_ - 1));
  const auto size = static_cast<uint32_t>(bytes);
  std::memcpy(entry, &size, sizeof size);
  reserved_ = start + need;
  return entry + kHeaderBytes;
}

void Mailbox::Publish() noexcept { head_.store(reserved_, std::memory_order_release); }

std::span<std::byte> Mailbox::Next() noexcept {
  if (looked_ == head_seen_) {
    head_seen_ = head_.load(std::memory_order_acquire);
    if (looked_ == head_seen_) return {};
  }
  uint32_t size = 0;
  std::memcpy(&size, ring_.get() + (looked_ & (capacity_ - 1)), sizeof size);
  if (size == kWrap) {
    looked_ += capacity_ - (looked_ & (capacity_ - 1));
    std::memcpy(&size, ring_.get() + (looked_ & (capacity_ - 1)), sizeof size);
  }
  std::byte* entry = ring_.get() + (looked_ & (capacity_ - 1)) + kHeaderBytes;
  looked_ += kHeaderBytes + RoundUp(size);
  return {entry, size};
}

void Mailbox::Release() noexcept { tail_.store(looked_, std::memory_order_release); }

}  // namespace gemel
