#include "gateway/cli/verbs.h"

#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace gemel::cli {
namespace {

using ::testing::HasSubstr;

TEST(VerbsTest, HelpListsEveryVerb) {
  const Outcome outcome = Gemel({"--help"});
  EXPECT_EQ(outcome.code, kDone);
  for (const char* verb : {"run", "check", "models", "list", "get", "alerts", "send", "replay",
                           "verify", "simulate"}) {
    EXPECT_THAT(outcome.output, HasSubstr(std::string("\n  ") + verb + " ")) << verb;
  }
}

TEST(VerbsTest, VersionIsOneLine) {
  const Outcome outcome = Gemel({"--version"});
  EXPECT_EQ(outcome.code, kDone);
  EXPECT_THAT(outcome.output, ::testing::MatchesRegex("gemel [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(VerbsTest, NoVerbAndUnknownVerbsAreUsage) {
  EXPECT_EQ(Gemel({}).code, kUsage);
  ExpectRefusal(Gemel({"fly"}), kUsage);
  ExpectRefusal(Gemel({"a\nb\x1b[2J"}), kUsage);
}

TEST(VerbsTest, WrongArgumentsAreUsageOnStderr) {
  const std::vector<std::vector<std::string>> wrong = {
      {"check"},
      {"check", "a", "b"},
      {"run", "--no-such"},
      {"models", "x"},
      {"list"},
      {"list", "m", "--limit", "-1"},
      {"list", "m", "--limit", "x"},
      {"list", "m", "--server"},
      {"get"},
      {"get", "no-slash"},
      {"get", "truck/"},
      {"get", "/7"},
      {"alerts", "--severity", "bad"},
      {"alerts", "ack"},
      {"alerts", "ack", "c-1-0"},
      {"alerts", "history", "--limit", "0"},
      {"replay"},
      {"simulate", "--count", "x"},
  };
  for (const auto& arguments : wrong) {
    const Outcome outcome = Gemel(arguments);
    EXPECT_EQ(outcome.code, kUsage) << ::testing::PrintToString(arguments);
    EXPECT_EQ(outcome.output, "") << ::testing::PrintToString(arguments);
    EXPECT_NE(outcome.errors, "") << ::testing::PrintToString(arguments);
  }
}

TEST(VerbsTest, EveryVerbExplainsItself) {
  for (const Verb& verb : Verbs()) {
    const Outcome outcome = Gemel({std::string(verb.name), "--help"});
    EXPECT_EQ(outcome.code, kDone) << verb.name;
    EXPECT_THAT(outcome.output, HasSubstr("Usage: gemel " + std::string(verb.name)));
  }
}

}  // namespace
}  // namespace gemel::cli
