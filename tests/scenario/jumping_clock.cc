// A library to be loaded before all others (LD_PRELOAD): the wall clock of a program under test
// jumps when a test says so. GEMEL_JUMPING_CLOCK names a file of eight bytes, a signed number of
// nanoseconds by which CLOCK_REALTIME is wrong, read at each look at the clock. What waits until a
// moment of that clock is woken or held up by a jump, as the kernel does it.

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
// How soon a waiting thread notices a jump.
constexpr int64_t kSlice = 5'000'000;

int64_t Offset() {
  static const std::atomic<int64_t>* const kOffset = []() -> const std::atomic<int64_t>* {
    const char* const path = std::getenv("GEMEL_JUMPING_CLOCK");
    const int file = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* const bytes = ::mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    ::close(file);
    return bytes == MAP_FAILED ? nullptr : static_cast<const std::atomic<int64_t>*>(bytes);
  }();
  return kOffset == nullptr ? 0 : kOffset->load(std::memory_order_relaxed);
}

timespec FromNanoseconds(int64_t time) {
  const int64_t rest = (time % kSecond + kSecond) % kSecond;
  return {(time - rest) / kSecond, rest};
}

int64_t ToNanoseconds(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }

int64_t Real(clockid_t clock) {
  timespec time{};
  ::syscall(SYS_clock_gettime, clock, &time);
  return ToNanoseconds(time);
}

int64_t Wrong() { return Real(CLOCK_REALTIME) + Offset(); }

// When the next slice of a wait until this moment of the wrong clock ends; false if it has come.
bool NextSlice(const timespec& until, timespec& steady) {
  const int64_t left = ToNanoseconds(until) - Wrong();
  if (left <= 0) return false;
  steady = FromNanoseconds(Real(CLOCK_MONOTONIC) + (left < kSlice ? left : kSlice));
  return true;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
    return static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  *time = FromNanoseconds(Wrong());
  return 0;
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  const timespec now = FromNanoseconds(Wrong());
  *time = {now.tv_sec, now.tv_nsec / 1'000};
  return 0;
}

time_t time(time_t* result) noexcept {
  const time_t now = FromNanoseconds(Wrong()).tv_sec;
  if (result != nullptr) *result = now;
  return now;
}

// Conditions of another clock than CLOCK_REALTIME are waited for with pthread_cond_clockwait here:
// the C++ library does so, and Paho knows no other clock.
int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* until) {
  timespec slice{};
  while (NextSlice(*until, slice)) {
    const int result = ::pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &slice);
    if (result != ETIMEDOUT) return result;
  }
  return ETIMEDOUT;
}

int sem_timedwait(sem_t* semaphore, const timespec* until) {
  timespec slice{};
  while (NextSlice(*until, slice)) {
    if (::sem_clockwait(semaphore, CLOCK_MONOTONIC, &slice) == 0) return 0;
    if (errno != ETIMEDOUT) return -1;
  }
  errno = ETIMEDOUT;
  return -1;
}

}  // extern "C"
