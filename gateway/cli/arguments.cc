#include "gateway/cli/arguments.h"

#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>

#include "gateway/cli/verbs.h"

namespace gemel::cli {

std::optional<int> ReadArguments(CLI::App& app, int count, const char* const* arguments) {
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, std::cout, std::cerr) == 0 ? kDone : kUsage;
  }
  return std::nullopt;
}

int Fail(int code, const char* what) {
  std::fprintf(stderr, "gemel: %s\n", what);
  return code;
}

}  // namespace gemel::cli
