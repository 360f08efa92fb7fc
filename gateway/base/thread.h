#pragma once

#include <cstdint>

namespace gemel {

// What a thread is for, as the scheduler should know it.
enum class ThreadKind : uint8_t {
  kPrompt,  // short work that a device waits for: on its core as soon as it is woken
  kOrdinary,
};

// Names the calling thread (at most 15 bytes) and tells the scheduler its kind. A kernel that can't
// be told schedules it as any other.
void BeginThread(const char* name, ThreadKind kind) noexcept;

}  // namespace gemel
