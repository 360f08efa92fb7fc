#pragma once

#include <span>
#include <string_view>

namespace gemel::cli {

// What exit codes mean, for every verb.
inline constexpr int kDone = 0;
inline constexpr int kNo = 1;      // the answer is no: not accepted, no such thing
inline constexpr int kUsage = 2;   // the arguments are wrong
inline constexpr int kFailed = 3;  // the outside world failed us; one line on stderr says how

struct Verb {
  std::string_view name;
  std::string_view meaning;
  // arguments[0] is the verb itself.
  int (*run)(int count, const char* const* arguments);
};

// All of them, in the order in which help shows them.
std::span<const Verb> Verbs();

}  // namespace gemel::cli
