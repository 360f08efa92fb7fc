#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace gemel::support {

// How long a test waits for something that should happen. Long, because it only matters when the
// test fails: sanitizers on a busy machine are slow.
inline constexpr std::chrono::milliseconds kPatience{30'000};

// A child program with its pipes. One thread of its own drains what the child prints, so the child
// never blocks on us. Leads a process group of its own; the destructor kills the whole group, and
// the kernel kills the child when the *thread* that started it ends, so that a test that dies
// leaves nothing behind: start it on a thread that outlives it.
class Process {
 public:
  struct Options {
    std::vector<std::string> environment;  // NAME=value, beside what the test has
    std::filesystem::path directory;       // to run in; empty: the test's
    bool has_errors_in_output = false;     // stderr is read as lines with stdout
  };

  // Starts arguments[0], looked up in PATH and in /usr/sbin. If there is no such program the child
  // exits with 127 and says so in errors(). REQUIRES: arguments is not empty
  explicit Process(std::vector<std::string> arguments) : Process(std::move(arguments), Options{}) {}
  Process(std::vector<std::string> arguments, const Options& options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next line of stdout, without its end; nothing if none came in time or the output has ended.
  std::optional<std::string> ReadLine(std::chrono::milliseconds patience = kPatience);
  // Reads on to the first line of stdout that contains `text` and returns it.
  std::optional<std::string> ReadLineWith(std::string_view text,
                                          std::chrono::milliseconds patience = kPatience);
  // All that the child has printed to stderr so far, unless that is in the output.
  std::string errors() const;

  // Writes to stdin. A child that doesn't read any more is not an error.
  void Write(std::string_view text);
  void CloseInput();

  // To the child alone, not to its group. Nothing happens once it has been waited for.
  void Signal(int signal);
  // Ends whatever else is left of the group when the child has ended.
  // The exit code, or minus the signal that ended it; nothing if it still runs when time is up.
  std::optional<int> Wait(std::chrono::milliseconds patience = kPatience);
  bool is_running();
  pid_t pid() const { return pid_; }

 private:
  struct Stream {
    int file = -1;
    bool has_ended = false;
  };

  void Drain();
  void DrainOne(Stream& stream, std::string& into);
  void SplitLines();

  // Constant after construction.
  pid_t pid_ = -1;
  int input_ = -1;
  int pid_file_ = -1;  // readable when the child has ended
  int stop_ = -1;      // an eventfd that ends the draining thread

  // Test's thread only.
  std::optional<int> exit_;

  mutable std::mutex mutex_;  // the draining thread has to leave lines for a reader with a deadline
  std::condition_variable changed_;
  std::string partial_;
  std::deque<std::string> lines_;
  std::string errors_;
  bool has_output_ended_ = false;

  // Draining thread only.
  Stream output_stream_;
  Stream error_stream_;

  std::thread drainer_;
};

}  // namespace gemel::support
