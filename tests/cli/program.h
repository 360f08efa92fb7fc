#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/process.h"

namespace gemel::cli {

// What `gemel` with these arguments did.
struct Outcome {
  int code = -1;
  std::string output;
  std::string errors;
};

inline Outcome Gemel(std::vector<std::string> arguments,
                     std::vector<std::string> environment = {}) {
  arguments.insert(arguments.begin(), GEMEL_BUILD_DIR "/bin/gemel");
  support::Process process(std::move(arguments), {.environment = std::move(environment)});
  Outcome outcome;
  while (const auto line = process.ReadLine()) outcome.output += *line + '\n';
  outcome.code = process.Wait().value_or(-1);
  outcome.errors = process.errors();
  return outcome;
}

// What a refusal must be: one line of its own on stderr, nothing on stdout.
inline void ExpectRefusal(const Outcome& outcome, int code) {
  EXPECT_EQ(outcome.code, code) << outcome.errors;
  EXPECT_EQ(outcome.output, "");
  EXPECT_TRUE(outcome.errors.starts_with("gemel: ")) << outcome.errors;
  EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
}

}  // namespace gemel::cli
