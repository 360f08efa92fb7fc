// A library to be loaded before all others (LD_PRELOAD): the disk of a program under test fails
// when a test says so. GEMEL_FAULTY_DISK names a file; while it is there, its one line
//
//   CALL ERRNO PART SKIP     for example: fdatasync 5 /journal/ 3
//
// has each CALL (write, fdatasync, fsync, posix_fallocate, pwrite) on a file whose path contains
// PART fail with this number of errno, but for the first SKIP ones.

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Plan {
  char call[32];
  int error;
  char part[128];
  long skip;
};

bool ReadPlan(Plan& plan) {
  static const char* const kPath = std::getenv("GEMEL_FAULTY_DISK");
  if (kPath == nullptr) return false;
  std::FILE* const file = std::fopen(kPath, "re");
  if (file == nullptr) return false;
  const bool is_whole =
      std::fscanf(file, "%31s %d %127s %ld", plan.call, &plan.error, plan.part, &plan.skip) == 4;
  std::fclose(file);
  return is_whole;
}

bool IsOf(int number, const char* part) {
  char link[64];
  char path[512];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", number);
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  return std::strstr(path, part) != nullptr;
}

// The errno that this call is to fail with; 0 if it is not.
int Fault(const char* call, int number) {
  static std::atomic<long> calls{0};
  Plan plan{};
  if (number <= 2 || !ReadPlan(plan) || std::strcmp(plan.call, call) != 0) return 0;
  if (!IsOf(number, plan.part)) return 0;
  return calls++ < plan.skip ? 0 : plan.error;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int number, const void* bytes, size_t size) {
  static auto* const kReal = Real<ssize_t(int, const void*, size_t)>("write");
  if (const int error = Fault("write", number)) {
    errno = error;
    return -1;
  }
  return kReal(number, bytes, size);
}

ssize_t pwrite64(int number, const void* bytes, size_t size, off64_t offset) {
  static auto* const kReal = Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  if (const int error = Fault("pwrite", number)) {
    errno = error;
    return -1;
  }
  return kReal(number, bytes, size, offset);
}

int fdatasync(int number) {
  static auto* const kReal = Real<int(int)>("fdatasync");
  if (const int error = Fault("fdatasync", number)) {
    errno = error;
    return -1;
  }
  return kReal(number);
}

int fsync(int number) {
  static auto* const kReal = Real<int(int)>("fsync");
  if (const int error = Fault("fsync", number)) {
    errno = error;
    return -1;
  }
  return kReal(number);
}

int posix_fallocate(int number, off_t offset, off_t size) {
  static auto* const kReal = Real<int(int, off_t, off_t)>("posix_fallocate");
  if (const int error = Fault("posix_fallocate", number)) return error;
  return kReal(number, offset, size);
}

}  // extern "C"
