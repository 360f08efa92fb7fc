#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "gateway/base/clock.h"
#include "gateway/base/mailbox.h"
#include "gateway/base/parker.h"

namespace gemel::simulate {

// Carries commands from the receiving thread to the one that runs the devices, which may sleep on
// it.
class CommandQueue {
 public:
  explicit CommandQueue(const Clock& clock) : clock_(clock), mailbox_(kBytes) {}

  struct Entry {
    std::chrono::nanoseconds arrived{0};  // steady clock
    std::string_view topic;               // valid until the next call of Next or Rest
    std::string_view payload;
  };

  // Receiving thread. When there is no room it waits a little, as back pressure on the broker, then
  // drops the command and counts it: a receiver may not wait for long.
  void Push(std::string_view topic, std::string_view payload) noexcept;
  // Any thread: ends a rest early.
  void Wake() noexcept { parker_.Wake(); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  // Device thread. The next command, in order of arrival.
  std::optional<Entry> Next() noexcept;
  // Waits for a command or for Wake, at most so long.
  void Rest(std::chrono::nanoseconds longest) noexcept;

 private:
  static constexpr size_t kBytes = 1'024 * 1'024;  // thousands of commands, or 16 of the largest

  const Clock& clock_;
  Mailbox mailbox_;
  Parker parker_;
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace gemel::simulate
