#include "tests/support/data_dir.h"

#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace gemel::support {
namespace {

// Sets a variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(DataDirTest, TheVariableDecides) {
  const TempDir directory;
  std::filesystem::create_directory(directory / "a_set");
  const Variable root("GEMEL_DATA_DIR", directory.path());
  EXPECT_EQ(DataDir(), directory.path());
  EXPECT_EQ(DataSet("a_set"), directory / "a_set");
}

TEST(DataDirTest, AMissingSetIsNothingAtHome) {
  const TempDir directory;
  const Variable root("GEMEL_DATA_DIR", directory.path());
  const Variable ci("CI", "");
  EXPECT_EQ(DataSet("no_such_set"), std::nullopt);
}

TEST(DataDirTest, AMissingSetFailsTheTestInCi) {
  static const TempDir kDirectory;
  const Variable root("GEMEL_DATA_DIR", kDirectory.path());
  const Variable ci("CI", "true");
  EXPECT_NONFATAL_FAILURE(DataSet("no_such_set"), "no_such_set");
}

}  // namespace
}  // namespace gemel::support
