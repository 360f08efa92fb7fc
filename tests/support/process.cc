#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "gateway/base/assert.h"

namespace gemel::support {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    std::array<int, 2> files{};
    GEMEL_ASSERT(::pipe2(files.data(), O_CLOEXEC) == 0);
    read = files[0];
    write = files[1];
  }
  int read = -1;
  int write = -1;
};

std::string FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  // Servers live in /usr/sbin, which an ordinary user's PATH on Debian leaves out.
  std::string folders = std::string(path != nullptr ? path : "/usr/bin:/bin") + ":/usr/sbin";
  for (size_t begin = 0; begin < folders.size();) {
    const size_t end = std::min(folders.find(':', begin), folders.size());
    std::string candidate = folders.substr(begin, end - begin) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return name;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> environment = added;  // first wins in getenv
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

struct Child {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* directory;  // or null
  int input;
  int output;
  int error;
  pid_t parent;
};

// Between fork and exec only what is safe in a signal handler: other threads may hold any lock.
[[noreturn]] void BecomeChild(const Child& child) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != child.parent) ::_exit(126);  // it died before it could be told
  ::dup2(child.input, STDIN_FILENO);
  ::dup2(child.output, STDOUT_FILENO);
  ::dup2(child.error, STDERR_FILENO);
  if (child.directory != nullptr && ::chdir(child.directory) != 0) ::_exit(126);
  ::execve(child.program, child.arguments, child.environment);
  constexpr std::string_view kMessage = "cannot execute ";
  static_cast<void>(!::write(STDERR_FILENO, kMessage.data(), kMessage.size()));
  static_cast<void>(!::write(STDERR_FILENO, child.program, std::strlen(child.program)));
  ::_exit(127);
}

}  // namespace

Process::Process(std::vector<std::string> arguments, const Options& options) {
  GEMEL_ASSERT(!arguments.empty());
  // A child that has gone must be a failed write for the test, not its end.
  ::signal(SIGPIPE, SIG_IGN);
  const std::string program = FindProgram(arguments[0]);
  std::vector<std::string> environment = Environment(options.environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const Pipe input;
  const Pipe output;
  const Pipe error;
  const Child child{.program = program.c_str(),
                    .arguments = argument_pointers.data(),
                    .environment = environment_pointers.data(),
                    .directory = options.directory.empty() ? nullptr : options.directory.c_str(),
                    .input = input.read,
                    .output = output.write,
                    .error = options.has_errors_in_output ? output.write : error.write,
                    .parent = ::getpid()};
  pid_ = ::fork();
  GEMEL_ASSERT(pid_ >= 0);
  if (pid_ == 0) BecomeChild(child);
  ::close(input.read);
  ::close(output.write);
  ::close(error.write);
  input_ = input.write;
  output_stream_.file = output.read;
  error_stream_.file = error.read;
  // glibc 2.36 has a function for this, but its header is not fit for C++.
  pid_file_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  GEMEL_ASSERT(pid_file_ >= 0);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  GEMEL_ASSERT(stop_ >= 0);
  drainer_ = std::thread([this] { Drain(); });
}

Process::~Process() {
  Signal(SIGKILL);
  Wait();
  const uint64_t one = 1;
  GEMEL_ASSERT(::write(stop_, &one, sizeof one) == sizeof one);
  drainer_.join();
  CloseInput();
  ::close(output_stream_.file);
  ::close(error_stream_.file);
  ::close(stop_);
  ::close(pid_file_);
}

void Process::Drain() {
  while (!output_stream_.has_ended || !error_stream_.has_ended) {
    // poll passes over negative files.
    std::array<pollfd, 3> files{{{output_stream_.has_ended ? -1 : output_stream_.file, POLLIN, 0},
                                 {error_stream_.has_ended ? -1 : error_stream_.file, POLLIN, 0},
                                 {stop_, POLLIN, 0}}};
    if (::poll(files.data(), files.size(), -1) < 0) continue;
    if (files[2].revents != 0) break;
    const std::lock_guard lock(mutex_);
    if (files[0].revents != 0) DrainOne(output_stream_, partial_);
    if (files[1].revents != 0) DrainOne(error_stream_, errors_);
    SplitLines();
    has_output_ended_ = output_stream_.has_ended;
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  has_output_ended_ = true;
  changed_.notify_all();
}

void Process::DrainOne(Stream& stream, std::string& into) {
  std::array<char, 16'384> bytes{};
  const ssize_t count = ::read(stream.file, bytes.data(), bytes.size());
  if (count > 0) {
    into.append(bytes.data(), static_cast<size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    stream.has_ended = true;
  }
}

void Process::SplitLines() {
  size_t begin = 0;
  for (size_t end = partial_.find('\n'); end != std::string::npos;
       end = partial_.find('\n', begin)) {
    lines_.push_back(partial_.substr(begin, end - begin));
    begin = end + 1;
  }
  partial_.erase(0, begin);
  if (output_stream_.has_ended && !partial_.empty()) lines_.push_back(std::move(partial_));
}

std::optional<std::string> Process::ReadLine(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return !lines_.empty() || has_output_ended_; });
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

std::optional<std::string> Process::ReadLineWith(std::string_view text,
                                                 std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    std::optional<std::string> line = ReadLine(std::max(left, std::chrono::milliseconds{0}));
    if (!line || line->find(text) != std::string::npos) return line;
  }
}

std::string Process::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

void Process::Write(std::string_view text) {
  while (!text.empty() && input_ >= 0) {
    const ssize_t count = ::write(input_, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

void Process::CloseInput() {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

void Process::Signal(int signal) {
  if (!exit_) ::kill(pid_, signal);
}

std::optional<int> Process::Wait(std::chrono::milliseconds patience) {
  if (exit_) return exit_;
  pollfd ended{pid_file_, POLLIN, 0};
  const int milliseconds = static_cast<int>(patience.count());
  if (::poll(&ended, 1, milliseconds) <= 0) return std::nullopt;
  // What the child started goes with it, while its id still is the group's and nobody else's.
  ::kill(-pid_, SIGKILL);
  int status = 0;
  GEMEL_ASSERT(::waitpid(pid_, &status, 0) == pid_);
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_;
}

bool Process::is_running() { return !Wait(std::chrono::milliseconds{0}); }

}  // namespace gemel::support
