#include "gateway/base/parker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace gemel {
namespace {

uint32_t* Word(std::atomic<uint32_t>& state) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
  return reinterpret_cast<uint32_t*>(&state);
}

}  // namespace

void Parker::Park(std::optional<std::chrono::nanoseconds> timeout) noexcept {
  timespec wait{};
  if (timeout) {
    const auto left = timeout->count() < 0 ? 0 : timeout->count();
    wait.tv_sec = static_cast<time_t>(left / 1'000'000'000);
    wait.tv_nsec = static_cast<long>(left % 1'000'000'000);
  }
  if (state_.load(std::memory_order_seq_cst) == kAsleep) {
    // EAGAIN (already woken), EINTR and ETIMEDOUT all mean the same: look again.
    syscall(SYS_futex, Word(state_), FUTEX_WAIT_PRIVATE, kAsleep, timeout ? &wait : nullptr,
            nullptr, 0);
  }
  state_.store(kAwake, std::memory_order_seq_cst);
}

void Parker::WakeSleeper() noexcept {
  if (state_.exchange(kAwake, std::memory_order_seq_cst) == kAsleep) {
    syscall(SYS_futex, Word(state_), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace gemel
