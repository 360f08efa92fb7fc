#include "tests/support/temp_dir.h"

#include <fstream>

#include <gtest/gtest.h>

namespace gemel::support {
namespace {

TEST(TempDirTest, GoesWithAllThatIsInIt) {
  std::filesystem::path path;
  {
    const TempDir directory;
    path = directory.path();
    std::filesystem::create_directory(directory / "inner");
    std::ofstream(directory / "inner" / "file") << "text";
    EXPECT_TRUE(std::filesystem::exists(path / "inner" / "file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TempDirTest, TwoAreNeverTheSame) {
  const TempDir one;
  const TempDir other;
  EXPECT_NE(one.path(), other.path());
}

}  // namespace
}  // namespace gemel::support
