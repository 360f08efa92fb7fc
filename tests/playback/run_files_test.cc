#include "gateway/playback/run_files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/playback/life.h"
#include "tests/support/temp_dir.h"

namespace gemel::playback {
namespace {

using testing::HasSubstr;

TEST(RunFilesTest, ARunIsTwoFilesOfLines) {
  const support::TempDir folder;
  const std::vector<std::string> twins = {"{\"a\":1}", "{\"b\":2}"};
  const std::vector<EffectLine> effects = {{.id = {}, .json = "{\"c\":3}"}};
  ASSERT_TRUE(WriteRun(folder / "deep/er", twins, effects).ok());
  EXPECT_EQ(BytesOf(folder / "deep/er/twins.jsonl"), "{\"a\":1}\n{\"b\":2}\n");
  EXPECT_EQ(BytesOf(folder / "deep/er/effects.jsonl"), "{\"c\":3}\n");
}

TEST(RunFilesTest, WhatALongerRunHasLeftIsGone) {
  const support::TempDir folder;
  const std::vector<std::string> long_one(100, "{\"a\":1}");
  ASSERT_TRUE(WriteRun(folder.path(), long_one, {}).ok());
  ASSERT_TRUE(WriteRun(folder.path(), {}, {}).ok());
  EXPECT_EQ(BytesOf(folder / "twins.jsonl"), "");
  EXPECT_TRUE(std::filesystem::exists(folder / "effects.jsonl"));
}

TEST(RunFilesTest, ADiskThatIsFullAndAFolderThatCannotBeMadeAreSaid) {
  const support::TempDir folder;
  const std::vector<std::string> twins = {"{}"};
  std::filesystem::create_symlink("/dev/full", folder / "twins.jsonl");
  const Status full = WriteRun(folder.path(), twins, {});
  EXPECT_EQ(full.code(), Code::kFull);
  EXPECT_THAT(full.message(), HasSubstr("twins.jsonl"));
  std::ofstream(folder / "file") << "here";
  const Status no_folder = WriteRun(folder / "file", twins, {});
  EXPECT_EQ(no_folder.code(), Code::kUnavailable);
  EXPECT_THAT(no_folder.message(), HasSubstr("file"));
}

}  // namespace
}  // namespace gemel::playback
