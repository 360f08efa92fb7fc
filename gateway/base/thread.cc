#include "gateway/base/thread.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace gemel {
namespace {

// As sched_setattr(2) has it: the kernel's header and the C library's can't be included together.
struct SchedulerAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

// From Linux 6.12 on a thread of the ordinary policy may ask for shorter turns than the others'
// 3 ms, and is put on its core at once when it is woken, by the very thread that woke it too. Else
// a shard would wait until the receiver, which has just handed it a message, has acknowledged it.
constexpr uint64_t kTurnNs = 500'000;

}  // namespace

void BeginThread(const char* name, ThreadKind kind) noexcept {
  pthread_setname_np(pthread_self(), name);
  if (kind != ThreadKind::kPrompt) return;
  SchedulerAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.runtime_ns = kTurnNs;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace gemel
