#include <cstdio>
#include <exception>
#include <string_view>

#include <fmt/format.h>

#include "gateway/base/quote.h"
#include "gateway/cli/verbs.h"
#include "gateway/version.h"

namespace gemel::cli {
namespace {

void PrintHelp(std::FILE* out) {
  fmt::print(out,
             "Usage: gemel VERB [ARGUMENTS]\n\nGemel keeps a live twin of every device behind "
             "an MQTT broker.\n\n");
  for (const Verb& verb : Verbs()) fmt::print(out, "  {:<10}{}\n", verb.name, verb.meaning);
  fmt::print(out, "\n`gemel VERB --help` says more; `gemel --version` says which one this is.\n");
}

int Main(int argc, char** argv) {
  const std::string_view name = argc < 2 ? "" : argv[1];
  if (name == "--help" || name == "-h") {
    PrintHelp(stdout);
    return kDone;
  }
  if (name == "--version") {
    fmt::print("gemel {}\n", kVersion);
    return kDone;
  }
  for (const Verb& verb : Verbs()) {
    if (verb.name == name) return verb.run(argc - 1, argv + 1);
  }
  if (name.empty()) {
    PrintHelp(stderr);
  } else {
    fmt::print(stderr, "gemel: no verb {}; `gemel --help` lists them\n", Quote(name));
  }
  return kUsage;
}

}  // namespace
}  // namespace gemel::cli

int main(int argc, char** argv) {
  try {
    return gemel::cli::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gemel: %s\n", error.what());
    return gemel::cli::kFailed;
  }
}
