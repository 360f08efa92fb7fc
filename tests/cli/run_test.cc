#include "gateway/cli/run.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>

#include "gateway/cli/verbs.h"
#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace gemel::cli {
namespace {

using ::testing::HasSubstr;

TEST(RunTest, ReadyLineHasIpv6InBrackets) {
  config::Config config;
  EXPECT_EQ(ReadyLine(config, 43'121, 0),
            "ready http=127.0.0.1:43121 mqtt=127.0.0.1:1883 twins=0\n");
  config.http.listen.host = "::1";
  config.mqtt.uri = "mqtt://[::1]";
  EXPECT_EQ(ReadyLine(config, 43'121, 7), "ready http=[::1]:43121 mqtt=[::1]:1883 twins=7\n");
}

TEST(RunTest, MistakesAreOneLineAndTheirCode) {
  const support::TempDir folder;
  ExpectRefusal(Gemel({"run", (folder / "no_such.json").string()}), kFailed);
  std::ofstream(folder / "gemel.json") << R"({"mqtt": {"uri": "mqtt://u:secret@h"}})";
  const Outcome outcome = Gemel({"run", (folder / "gemel.json").string()});
  ExpectRefusal(outcome, kFailed);
  EXPECT_THAT(outcome.errors, ::testing::Not(HasSubstr("secret")));
  EXPECT_EQ(Gemel({"run", "a", "b"}).code, kUsage);
}

}  // namespace
}  // namespace gemel::cli
