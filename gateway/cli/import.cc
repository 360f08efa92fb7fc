#include "gateway/cli/import.h"

#include <filesystem>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/verbs.h"
#include "gateway/config/load.h"
#include "gateway/gateway.h"

namespace gemel::cli {
namespace {

constexpr const char* kImportFooter =
    "FILE holds lines of `gemel export`, plain or gzip. The gateway must be stopped; the next "
    "start "
    "has the twins. All\nlines are checked first: if one is refused, nothing is "
    "changed.\n\nExample: "
    "gemel export --config old.json > twins.jsonl && gemel import twins.jsonl --config new.json";

Result<uint64_t> Import(const std::string& configuration, const std::string& file, bool replaces) {
  GEMEL_TRY_LET(auto config, config::Load(configuration, config::ProcessEnvironment()));
  GEMEL_TRY_LET(
      const auto gateway,
      Gateway::Create(std::move(config), std::filesystem::absolute(configuration).parent_path()));
  return gateway->Import(file, replaces);
}

}  // namespace

int ImportMain(int count, const char* const* arguments) {
  CLI::App app("Takes twins from a file into a gateway that is stopped.", "gemel import");
  app.footer(kImportFooter);
  std::string path = "/etc/gemel/gemel.json";
  std::string file;
  bool replaces = false;
  app.add_option("FILE", file, "Lines of gemel export")->required();
  app.add_option("--config", path, "The gateway's configuration")->capture_default_str();
  app.add_flag("--replace", replaces, "Twins that there are already are replaced");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto twins = Import(path, file, replaces);
  if (!twins.ok()) return Fail(kFailed, ("import: " + twins.status().message()).c_str());
  fmt::print("{}: {} twins imported\n", file, *twins);
  return kDone;
}

}  // namespace gemel::cli
