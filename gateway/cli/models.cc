#include "gateway/cli/models.h"

#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"

namespace gemel::cli {

int ModelsMain(int count, const char* const* arguments) {
  CLI::App app("Lists the models of a running gateway.", "gemel models");
  std::string server;
  bool is_json = false;
  AddServerOption(app, server);
  app.add_flag("--json", is_json, "Print the array that the API answers with");
  if (const auto code = ReadArguments(app, count, arguments)) return *code;

  const auto reply = Client(server).Get("/api/v1/models");
  if (!reply.ok()) return Fail(reply.status());
  if (is_json) {
    fmt::print("{}\n", reply->json.dump(2));
    return kDone;
  }
  Table table({"MODEL", "TWINS", "FIELDS", "MEANING"});
  for (const auto& model : reply->json) {
    table.Add({Cell(model.value("name", "")), Cell(model["twins"]),
               std::to_string(model["fields"].size()), Cell(model.value("meaning", ""))});
  }
  fmt::print("{}", table.Text(0));
  return kDone;
}

}  // namespace gemel::cli
