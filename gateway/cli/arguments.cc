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

void AddKeyArgument(CLI::App& app, std::string& key) {
  app.add_option("MODEL/ID", key, "The twin: its model and its id")
      ->required()
      ->check(CLI::Validator(
          [](const std::string& text) {
            const size_t slash = text.find('/');
            const bool is_key = slash != std::string::npos && slash > 0 && slash + 1 < text.size();
            return is_key ? "" : "wants MODEL/ID, like truck/42";
          },
          "", "key"));
}

int Fail(int code, const char* what) {
  std::fprintf(stderr, "gemel: %s\n", what);
  return code;
}

}  // namespace gemel::cli
