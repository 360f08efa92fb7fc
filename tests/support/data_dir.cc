#include "tests/support/data_dir.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace gemel::support {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::optional<std::filesystem::path> Existing(std::filesystem::path folder) {
  if (std::filesystem::is_directory(folder)) return folder;
  if (Variable("CI") == "true") ADD_FAILURE() << "no data set at " << folder;
  return std::nullopt;
}

std::filesystem::path Root() {
  std::string given = Variable("GEMEL_DATA_DIR");
  if (!given.empty()) return given;
  return std::filesystem::path(GEMEL_SOURCE_DIR).parent_path() / "shared" / "data";
}

}  // namespace

std::optional<std::filesystem::path> DataDir() { return Existing(Root()); }

std::optional<std::filesystem::path> DataSet(std::string_view name) {
  return Existing(Root() / name);
}

}  // namespace gemel::support
