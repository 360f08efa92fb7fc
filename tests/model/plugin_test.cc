#include "gateway/model/plugin.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace gemel::model {
namespace {

std::filesystem::path Defect(const std::string& name) {
  return std::filesystem::path(GEMEL_TEST_PLUGINS) / ("defect_" + name + ".so");
}

// What LoadPlugin says of a file that it must refuse.
std::string Refusal(const std::filesystem::path& path) {
  const Result<const gemel_model*> table = LoadPlugin(path);
  if (table.ok()) return "(loaded)";
  EXPECT_EQ(table.status().code(), Code::kInvalid);
  const std::string& message = table.status().message();
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  return message;
}

TEST(PluginTest, AGoodPluginGivesItsTable) {
  const Result<const gemel_model*> table = LoadPlugin(Defect("none"));
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_STREQ((*table)->name, "defect");
  EXPECT_EQ((*table)->fields_count, 2u);
}

TEST(PluginTest, EachDefectIsRefusedInOneLineThatNamesTheFileAndSaysSo) {
  struct Case {
    const char* defect;
    const char* says;
  };
  for (const Case& c :
       {Case{"abi", "built for ABI version 999; this gateway runs version 1: rebuild the model"},
        {"small", "its gemel_model has 16 bytes; at least"},
        {"symbol", "exports no symbol gemel_plugin"},
        {"null", "gemel_plugin returned no model"},
        {"throws", "gemel_plugin threw"},
        {"overlap", "fields value and limit overlap at byte 8 of the state"},
        {"overlong", "field limit: bytes 24 to 32 lie outside the state of 24 bytes"},
        {"field_name", "the name of field 1 must match [a-z][a-z0-9_]*"},
        {"model_name", "the model's name must match [a-z][a-z0-9_]*"},
        {"untimed", "field value: telemetry and topic fields must be Last<...>"}}) {
    EXPECT_NE(Refusal(Defect(c.defect)).find(c.says), std::string::npos)
        << c.defect << ": " << Refusal(Defect(c.defect));
  }
}

TEST(PluginTest, AFileThatIsNoSharedObjectIsRefused) {
  const support::TempDir folder;
  std::ofstream(folder / "text.so")
      << "this is no ELF, but is longer than one's header: " << std::string(100, 'x');
  std::ofstream(folder / "empty.so").close();
  std::filesystem::create_directory(folder / "folder.so");
  for (const char* name : {"text.so", "empty.so", "folder.so", "absent.so"}) {
    EXPECT_NE(Refusal(folder / name).find("cannot be loaded"), std::string::npos) << name;
  }
}

TEST(PluginTest, ATruncatedPluginIsRefused) {
  const support::TempDir folder;
  std::ifstream whole(Defect("none"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  for (const size_t size : {size_t{4}, size_t{64}, size_t{500}}) {
    const auto path = folder / ("cut" + std::to_string(size) + ".so");
    std::ofstream(path, std::ios::binary) << bytes.substr(0, size);
    EXPECT_NE(Refusal(path).find("cannot be loaded"), std::string::npos) << size;
  }
}

TEST(PluginTest, ABareNameIsLookedForInEveryPlaceThatTheMessageNames) {
  const auto path = FindPlugin("nobody_has_this.so", "/etc/gemel");
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.status().code(), Code::kNotFound);
  const std::string& message = path.status().message();
  EXPECT_NE(message.find("nobody_has_this.so: no such file"), std::string::npos) << message;
  EXPECT_NE(message.find("/lib/gemel/models/nobody_has_this.so, "), std::string::npos) << message;
  EXPECT_NE(message.find("/usr/lib/gemel/models/nobody_has_this.so"), std::string::npos);
}

TEST(PluginTest, APathIsTakenAsItIsRelativeToTheConfiguration) {
  const support::TempDir folder;
  std::filesystem::create_directory(folder / "mine");
  std::ofstream(folder / "mine" / "a.so") << "x";
  const auto relative = FindPlugin("mine/a.so", folder.path());
  ASSERT_TRUE(relative.ok()) << relative.status().message();
  EXPECT_EQ(*relative, folder / "mine/a.so");
  const auto absolute = FindPlugin((folder / "mine/a.so").string(), "/elsewhere");
  ASSERT_TRUE(absolute.ok());
  EXPECT_EQ(*absolute, folder / "mine/a.so");
  EXPECT_EQ(FindPlugin("mine", folder.path()).status().code(), Code::kNotFound);
  EXPECT_EQ(FindPlugin("./mine", folder.path()).status().code(), Code::kNotFound)
      << "a folder is no plug-in";
}

}  // namespace
}  // namespace gemel::model
