#include "gateway/cli/list.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "gateway/cli/arguments.h"
#include "gateway/cli/client.h"
#include "gateway/cli/table.h"
#include "gateway/cli/verbs.h"
#include "gateway/http/target.h"

namespace gemel::cli {
namespace {

constexpr uint64_t kPage = 1'000;

struct Options {
  std::string server;
  std::string model;
  std::vector<std::string> fields;
  std::optional<uint64_t> limit;
  bool is_json = false;
};

// Calls `each` for every twin up to the limit.
template <typename Each>
Status ForEachTwin(const Options& options, const Each& each) {
  const Client client(options.server);
  uint64_t left = options.limit.value_or(UINT64_MAX);
  std::optional<std::string> path = fmt::format(
      "/api/v1/twins/{}?limit={}", http::PercentEncode(options.model), std::min(left, kPage));
  while (path && left > 0) {
    GEMEL_TRY_LET(Reply reply, client.Get(*path));
    for (const auto& twin : reply.json) {
      if (left-- == 0) return {};
      each(twin);
      if (left == 0) return {};
    }
    path = reply.next;
  }
  return {};
}

nlohmann::ordered_json Chosen(const nlohmann::ordered_json& twin,
                              const std::vector<std::string>& fields) {
  if (fields.empty()) return twin;
  nlohmann::ordered_json chosen;
  chosen["id"] = twin.value("id", nlohmann::ordered_json());
  for (const std::string& field : fields) {
    chosen[field] = twin.value(field, nlohmann::ordered_json());
  }
  chosen["age_ms"] = twin.value("age_ms", nlohmann::ordered_json());
  return chosen;
}

int PrintJson(const Options& options) {
  bool is_first = true;
  const Status status = ForEachTwin(options, [&](const nlohmann::ordered_json& twin) {
    fmt::print("{}{}", is_first ? "[\n" : ",\n", Chosen(twin, options.fields).dump());
    is_first = false;
  });
  // A list that ends in the middle is no JSON, so nobody takes it for a whole one.
  if (!status.ok()) return Fail(status);
  fmt::print("{}", is_first ? "[]\n" : "\n]\n");
  return kDone;
}

int PrintTable(const Options& options) {
  std::optional<Table> table;
  const Status status = ForEachTwin(options, [&](const nlohmann::ordered_json& twin) {
    const nlohmann::ordered_json chosen = Chosen(twin, options.fields);
    // Age second, so that it is seen however many fields there are.
    std::vector<std::string> header{"ID", "AGE"};
    std::vector<std::string> row{Cell(chosen["id"]), Age(chosen["age_ms"])};
    for (const auto& [name, value] : chosen.items()) {
      if (name == "id" || name == "age_ms") continue;
      header.push_back(Cell(name));
      row.push_back(Cell(value));
    }
    if (!table) table.emplace(std::move(header));
    table->Add(std::move(row));
  });
  if (!status.ok()) return Fail(status);
  if (!table) {
    fmt::print(stderr, "{} has no twins\n", options.model);
    return kDone;
  }
  const size_t width = TerminalWidth();
  fmt::print("{}", table->Text(width));
  if (const size_t left_out = table->ColumnsLeftOut(width); left_out > 0) {
    fmt::print(stderr, "{} fields don't fit: --fields NAME,NAME or --json\n", left_out);
  }
  return kDone;
}

}  // namespace

int ListMain(int count, const char* const* arguments) {
  CLI::App app("Lists the twins of a model by id.", "gemel list");
  Options options;
  app.add_option("MODEL", options.model, "The model's name")->required();
  AddServerOption(app, options.server);
  app.add_flag("--json", options.is_json, "Print an array of objects");
  app.add_option("--limit", options.limit, "At most so many twins; all without it")
      ->check(CLI::PositiveNumber);
  app.add_option("--fields", options.fields, "Only these fields, separated by commas")
      ->delimiter(',');
  if (const auto code = ReadArguments(app, count, arguments)) return *code;
  return options.is_json ? PrintJson(options) : PrintTable(options);
}

}  // namespace gemel::cli
