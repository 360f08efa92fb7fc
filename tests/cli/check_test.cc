#include "gateway/cli/check.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "gateway/cli/verbs.h"
#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace gemel::cli {
namespace {

using ::testing::HasSubstr;

class CheckTest : public ::testing::Test {
 protected:
  Outcome Check(const std::string& configuration) {
    const std::filesystem::path path = folder_ / "gemel.json";
    std::ofstream(path) << configuration;
    return Gemel({"check", path.string()});
  }
  // A configuration of the model that the build has, with this route.
  static std::string WithRoute(const std::string& route) {
    return R"({"models": [{"name": "template", "plugin": "template.so"}], "routes": [)" + route +
           "]}";
  }

  support::TempDir folder_;
};

TEST_F(CheckTest, AcceptsAndSaysWhatIsWorthKnowing) {
  const Outcome outcome = Check(WithRoute(R"({"topic": "t/{id}", "model": "template"})"));
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("accepted: 1 models, 1 routes\n"));
  // That repeats are not dropped yet.
  EXPECT_THAT(outcome.output, HasSubstr("note: "));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "journal"));
}

TEST_F(CheckTest, WrongKeysAndPluginsAndRoutesAreNotAccepted) {
  for (const std::string& configuration : {
           std::string("{"),
           std::string("[]"),
           std::string(R"({"rootes": []})"),
           std::string(R"({"models": [{"name": "m", "plugin": "no_such.so"}], "routes": []})"),
           WithRoute(R"({"topic": "t/{id}{x}", "model": "template"})"),
           WithRoute(R"({"topic": "t/{id}", "model": "tenplate"})"),
           WithRoute(R"({"topic": "t/{id}", "model": "template", "fields": {"no_such": "/a"}})"),
       }) {
    const Outcome outcome = Check(configuration);
    ExpectRefusal(outcome, kNo);
    SCOPED_TRACE(configuration);
  }
}

TEST_F(CheckTest, FileThatCannotBeReadIsAFailure) {
  ExpectRefusal(Gemel({"check", (folder_ / "no_such.json").string()}), kFailed);
}

}  // namespace
}  // namespace gemel::cli
