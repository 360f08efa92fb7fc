#include "gateway/cli/check.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/gateway.h"

namespace gemel::cli {

int CheckMain(int count, const char* const* arguments) {
  CLI::App app("Says whether a configuration would be accepted.", "gemel check");
  std::string path;
  app.add_option("CONFIGURATION", path, "The file to check")->required();
  if (const auto code = ReadArguments(app, count, arguments)) return *code;

  auto config = config::Load(path, config::ProcessEnvironment());
  if (!config.ok()) {
    return Fail(config.status().code() == Code::kInvalid ? kNo : kFailed,
                config.status().message().c_str());
  }
  const std::vector<std::string> notes = config->notes;
  auto gateway = Gateway::Create(std::move(*config), std::filesystem::absolute(path).parent_path());
  if (!gateway.ok()) return Fail(kNo, gateway.status().message().c_str());
  for (const std::string& note : notes) fmt::print("note: {}\n", note);
  fmt::print("{}: accepted: {} models, {} routes\n", path, (*gateway)->config().models.size(),
             (*gateway)->config().routes.size());
  return kDone;
}

}  // namespace gemel::cli
