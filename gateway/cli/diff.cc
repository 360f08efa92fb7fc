#include "gateway/cli/diff.h"

#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/cli/arguments.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"

namespace gemel::cli {
namespace {

constexpr const char* kDiffFooter =
    "A and B are folders that `gemel replay RECORDING --offline --out FOLDER` has written. Twins "
    "are "
    "compared\nby model and id; commands and alerts by twin, name or code, and occurrence, not by "
    "their ids. Exit code 1\nif they differ.";

nlohmann::ordered_json ToJson(const playback::Compared& compared) {
  return {{"same", compared.same},
          {"changed", compared.changed},
          {"only_first", compared.only_first},
          {"only_second", compared.only_second}};
}

}  // namespace

void PrintDifference(const playback::Difference& difference, bool is_json) {
  if (is_json) {
    const nlohmann::ordered_json json = {{"are_same", difference.are_same()},
                                         {"twins", ToJson(difference.twins)},
                                         {"commands", ToJson(difference.commands)},
                                         {"alerts", ToJson(difference.alerts)},
                                         {"dead_letters", ToJson(difference.dead_letters)},
                                         {"examples", difference.examples}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  Table table({"", "SAME", "CHANGED", "ONLY FIRST", "ONLY SECOND"});
  const auto add = [&](const char* name, const playback::Compared& compared) {
    table.Add({name, std::to_string(compared.same), std::to_string(compared.changed),
               std::to_string(compared.only_first), std::to_string(compared.only_second)});
  };
  add("twins", difference.twins);
  add("commands", difference.commands);
  add("alerts", difference.alerts);
  add("dead letters", difference.dead_letters);
  fmt::print("{}", table.Text(0));
  for (const std::string& example : difference.examples) fmt::print("{}\n", example);
}

int DiffMain(int count, const char* const* arguments) {
  CLI::App app("Says whether two runs came to the same, and if not, where first.", "gemel diff");
  app.footer(kDiffFooter);
  std::string first;
  std::string second;
  size_t examples = kExamplesDefault;
  bool is_json = false;
  app.add_option("A", first, "Folder of a run")->required();
  app.add_option("B", second, "Folder of another")->required();
  app.add_option("--examples", examples, "How many differences to show")->capture_default_str();
  app.add_flag("--json", is_json, "Print one object");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  const auto difference = playback::Compare(first, second, examples);
  if (!difference.ok()) return Fail(kFailed, ("diff: " + difference.status().message()).c_str());
  PrintDifference(*difference, is_json);
  return difference->are_same() ? kDone : kNo;
}

}  // namespace gemel::cli
