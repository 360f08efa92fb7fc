// A library to be loaded before all others (LD_PRELOAD): writes down what a program does to the
// files below GEMEL_DISK_ROOT, in the order in which it happened, to the end of GEMEL_DISK_LOG.
// With GEMEL_DISK_DIE=N the program is killed behind the Nth entry, when nothing has been done that
// was not written down. Memory that is mapped is not seen (SQLite's -shm file, which a loss of
// power takes).

#include "tests/scenario/disk_log.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace {

using gemel::scenario::DiskEntry;
using gemel::scenario::DiskOp;

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// One a process. Never destroyed, because files are written to the very end.
class Log {
 public:
  static Log& Get() {
    static Log* const log = new Log;
    return *log;
  }

  // What the log calls a path, if it is one to be watched.
  std::optional<std::string> Relative(std::string_view path) const {
    const bool is_below = !root_.empty() && path.size() > root_.size() && path.starts_with(root_) &&
                          path[root_.size()] == '/';
    if (path == root_ && !root_.empty()) return "";
    if (!is_below || path.ends_with("-shm")) return std::nullopt;
    return std::string(path.substr(root_.size() + 1));
  }
  std::optional<std::string> Relative(int file) const {
    if (root_.empty() || file <= 2) return std::nullopt;
    char link[64];
    char path[4'096];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t size = ::readlink(link, path, sizeof path);
    if (size <= 0) return std::nullopt;
    return Relative(std::string_view(path, static_cast<size_t>(size)));
  }

  // REQUIRES: mutex is held
  void Add(DiskEntry entry, std::string_view path, std::string_view second_path = {},
           const void* bytes = nullptr) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    entry.time_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    entry.thread = static_cast<uint32_t>(::gettid());
    entry.path_bytes = static_cast<uint32_t>(path.size());
    entry.second_path_bytes = static_cast<uint32_t>(second_path.size());
    const iovec parts[] = {{&entry, sizeof entry},
                           {const_cast<char*>(path.data()), path.size()},
                           {const_cast<char*>(second_path.data()), second_path.size()},
                           {const_cast<void*>(bytes), entry.bytes}};
    // Past our own writev, and as a whole.
    if (::syscall(SYS_writev, log_, parts, 4) < 0 || ++entries_ == die_behind_)
      ::kill(::getpid(), SIGKILL);
  }

  // Held while something is done and written down.
  std::recursive_mutex mutex;

 private:
  Log() {
    const char* const root = std::getenv("GEMEL_DISK_ROOT");
    const char* const log = std::getenv("GEMEL_DISK_LOG");
    const char* const die = std::getenv("GEMEL_DISK_DIE");
    if (root == nullptr || log == nullptr) return;
    log_ = static_cast<int>(
        ::syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (log_ >= 0) root_ = root;
    if (die != nullptr) die_behind_ = std::strtol(die, nullptr, 10);
  }

  std::string root_;
  int log_ = -1;
  long entries_ = 0;
  long die_behind_ = -1;
};

uint64_t InodeOf(int file) {
  struct stat about {};
  return ::fstat(file, &about) == 0 ? about.st_ino : 0;
}

// Does what is done to a file and writes it down, if it has succeeded.
template <typename Work>
auto Change(int file, DiskEntry entry, const void* bytes, const Work& work) {
  Log& log = Log::Get();
  if (!log.Relative(file)) return work();
  const std::lock_guard lock(log.mutex);
  const auto result = work();
  if (result < 0) return result;
  entry.file = InodeOf(file);
  if (entry.op == DiskOp::kWrite) entry.bytes = static_cast<uint32_t>(result);
  log.Add(entry, "", "", bytes);
  return result;
}

// Others may write meanwhile: what they write may be synced or not.
template <typename Work>
int Sync(int file, const Work& work) {
  Log& log = Log::Get();
  const auto path = log.Relative(file);
  if (!path) return work();
  struct stat about {};
  ::fstat(file, &about);
  const bool is_folder = S_ISDIR(about.st_mode);
  const DiskEntry entry{.op = DiskOp::kSyncBegin, .file = is_folder ? 0 : about.st_ino};
  const std::string folder = is_folder ? *path : "";
  {
    const std::lock_guard lock(log.mutex);
    log.Add(entry, folder);
  }
  const int result = work();
  if (result != 0) return result;
  const std::lock_guard lock(log.mutex);
  DiskEntry end = entry;
  end.op = DiskOp::kSyncEnd;
  log.Add(end, folder);
  return result;
}

template <typename Work>
int ChangeName(DiskOp op, const char* path, const char* second_path, const Work& work) {
  Log& log = Log::Get();
  const auto name = log.Relative(path);
  const auto second_name = log.Relative(second_path);
  if (!name || !second_name) return work();
  const std::lock_guard lock(log.mutex);
  const int result = work();
  if (result == 0) log.Add({.op = op}, *name, *second_name);
  return result;
}

int Open(const char* function, const char* path, int flags, mode_t mode) {
  auto* const real = Real<int(const char*, int, ...)>(function);
  Log& log = Log::Get();
  const auto name = log.Relative(path);
  const bool is_watched = name && (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!is_watched) return real(path, flags, mode);
  const std::lock_guard lock(log.mutex);
  struct stat about {};
  const bool is_there = ::stat(path, &about) == 0;
  const int file = real(path, flags, mode);
  if (file < 0) return file;
  if (!is_there) {
    log.Add({.op = DiskOp::kCreate, .file = InodeOf(file)}, *name);
  } else if ((flags & O_TRUNC) != 0) {
    log.Add({.op = DiskOp::kTruncate, .file = InodeOf(file)}, "");
  }
  return file;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(va_arg(arguments, int));
  va_end(arguments);
  return Open("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(va_arg(arguments, int));
  va_end(arguments);
  return Open("open64", path, flags, mode);
}

ssize_t write(int file, const void* bytes, size_t size) {
  static auto* const kReal = Real<ssize_t(int, const void*, size_t)>("write");
  if (!Log::Get().Relative(file)) return kReal(file, bytes, size);
  const std::lock_guard lock(Log::Get().mutex);
  const auto offset = static_cast<uint64_t>(::lseek(file, 0, SEEK_CUR));
  return Change(file, {.op = DiskOp::kWrite, .offset = offset}, bytes,
                [&] { return kReal(file, bytes, size); });
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  static auto* const kReal = Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return Change(file, {.op = DiskOp::kWrite, .offset = static_cast<uint64_t>(offset)}, bytes,
                [&] { return kReal(file, bytes, size, offset); });
}

int ftruncate64(int file, off64_t size) {
  static auto* const kReal = Real<int(int, off64_t)>("ftruncate64");
  return Change(file, {.op = DiskOp::kTruncate, .offset = static_cast<uint64_t>(size)}, nullptr,
                [&] { return kReal(file, size); });
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int posix_fallocate(int file, off_t offset, off_t size) {
  static auto* const kReal = Real<int(int, off_t, off_t)>("posix_fallocate");
  int error = 0;
  Change(file, {.op = DiskOp::kReserve, .offset = static_cast<uint64_t>(offset + size)}, nullptr,
         [&] {
           error = kReal(file, offset, size);
           return error == 0 ? 0 : -1;
         });
  return error;
}

int fdatasync(int file) {
  static auto* const kReal = Real<int(int)>("fdatasync");
  return Sync(file, [&] { return kReal(file); });
}

int fsync(int file) {
  static auto* const kReal = Real<int(int)>("fsync");
  return Sync(file, [&] { return kReal(file); });
}

int rename(const char* from, const char* to) noexcept {
  static auto* const kReal = Real<int(const char*, const char*)>("rename");
  return ChangeName(DiskOp::kRename, from, to, [&] { return kReal(from, to); });
}

int unlink(const char* path) noexcept {
  static auto* const kReal = Real<int(const char*)>("unlink");
  return ChangeName(DiskOp::kRemove, path, path, [&] { return kReal(path); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* const kReal = Real<int(const char*, mode_t)>("mkdir");
  return ChangeName(DiskOp::kMakeFolder, path, path, [&] { return kReal(path, mode); });
}

}  // extern "C"
