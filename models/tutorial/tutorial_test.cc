#include <filesystem>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

extern "C" const gemel_model* gemel_plugin();

namespace {

using std::chrono::seconds;
using testing::HasSubstr;

// The same model in both languages.
enum class Language : uint8_t { kCpp, kLua };
void PrintTo(Language language, std::ostream* out) {
  *out << (language == Language::kCpp ? "Cpp" : "Lua");
}

class TutorialTest : public testing::TestWithParam<Language> {
 protected:
  static gemel::TestOptions Options() {
    return {
        .parameters = R"({"hold_s": 20})", .profile = "id,limit_c\ncold,5\n", .others = {"site"}};
  }
  static gemel::TestKitBase Kit() {
    if (GetParam() == Language::kCpp) return {*gemel_plugin(), Options()};
    return {std::filesystem::path(TUTORIAL_SCRIPT), Options()};
  }
  void Feed(std::string_view json) { kit_.Feed("cold", json, {{"site", "north"}}); }

  gemel::TestKitBase kit_ = Kit();
};

TEST_P(TutorialTest, WarmthIsAskedToEndOnceAndCountedUntilItDoes) {
  Feed(R"({"temperature_c": 4})");
  EXPECT_TRUE(kit_.TakeAlerts().empty());
  Feed(R"({"temperature_c": 6.5})");
  Feed(R"({"temperature_c": 7})");
  const auto commands = kit_.TakeCommands();
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0].name, "cool_down");
  EXPECT_EQ(commands[0].arguments, R"({"target_c":3})");
  EXPECT_EQ(commands[0].expires, seconds(60));
  const auto alerts = kit_.alerts("cold");
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].code, "too_warm");
  EXPECT_EQ(alerts[0].severity, "major");
  EXPECT_EQ(alerts[0].count, 2);
  EXPECT_EQ(alerts[0].properties, R"({"temperature_c":7})");
  Feed(R"({"temperature_c": 5})");
  EXPECT_TRUE(kit_.alerts("cold").empty());
}

TEST_P(TutorialTest, ADoorThatStaysOpenIsAnAlertUntilItCloses) {
  Feed(R"({"is_open": true})");
  EXPECT_EQ(kit_.Field("cold", "door"), R"("open")");
  kit_.Advance(seconds(15));
  Feed(R"({"is_open": true})");
  kit_.Advance(seconds(4));
  EXPECT_TRUE(kit_.alerts("cold").empty());
  kit_.Advance(seconds(1));
  const auto alerts = kit_.alerts("cold");
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].code, "door_open");
  EXPECT_EQ(alerts[0].properties, R"({"seconds":20})");
  Feed(R"({"is_open": false})");
  EXPECT_TRUE(kit_.alerts("cold").empty());
  EXPECT_EQ(kit_.Field("cold", "door"), R"("closed")");
  EXPECT_EQ(kit_.Field("cold", "open_since"), "null");

  Feed(R"({"is_open": true})");
  Feed(R"({"is_open": false})");
  kit_.Advance(seconds(20));
  EXPECT_TRUE(kit_.alerts("cold").empty());
  EXPECT_EQ(kit_.Field("cold", "openings"), "2");
}

TEST_P(TutorialTest, ReportsToItsSiteEveryMinute) {
  Feed(R"({"temperature_c": 4})");
  ASSERT_EQ(kit_.timers("cold").size(), 1u);
  const gemel::TestTimer timer = kit_.timers("cold").front();
  EXPECT_EQ(timer.name, "report");
  EXPECT_GE(timer.due, kit_.now() + seconds(60));
  EXPECT_LE(timer.due, kit_.now() + seconds(70));
  kit_.Advance(seconds(130));
  const auto messages = kit_.TakeMessages();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].to_model, "site");
  EXPECT_EQ(messages[0].to_id, "north");
  EXPECT_EQ(messages[0].name, "room");
}

TEST_P(TutorialTest, HearsOtherTwins) {
  Feed(R"({"temperature_c": 4})");
  kit_.Message("cold", "site", "north", "note", {{"text", "inspected"}});
  EXPECT_EQ(kit_.Field("cold", "note"), R"("inspected")");
  kit_.Message("cold", "site", "north", "ping");
  const auto messages = kit_.TakeMessages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].to_id, "north");
  EXPECT_EQ(messages[0].name, "pong");
  try {
    kit_.Message("cold", "site", "north", "note");
    ADD_FAILURE() << "a note without text was taken";
  } catch (const gemel::MessageRefused& refused) {
    EXPECT_THAT(refused.what(), HasSubstr("text"));
  }
}

TEST_P(TutorialTest, RemovesItselfAndOthers) {
  Feed(R"({"temperature_c": 4})");
  kit_.Feed("new", R"({"temperature_c": 4})");
  kit_.Feed("old", R"({"temperature_c": 4})");
  ASSERT_EQ(kit_.twins(), 3u);
  kit_.Message("new", "site", "north", "replaces", {{"room", "old"}});
  EXPECT_EQ(kit_.twins(), 2u);
  kit_.Message("cold", "site", "north", "retire");
  EXPECT_EQ(kit_.twins(), 1u);
}

TEST_P(TutorialTest, LateMessagesDecideNothing) {
  gemel::TestOptions options = Options();
  options.time_pointer = "/t";
  gemel::TestKitBase kit =
      GetParam() == Language::kCpp
          ? gemel::TestKitBase(*gemel_plugin(), options)
          : gemel::TestKitBase(std::filesystem::path(TUTORIAL_SCRIPT), options);
  kit.Feed("r", R"({"t": 1700000002000, "temperature_c": 4})");
  kit.Feed("r", R"({"t": 1700000001000, "temperature_c": 40})");
  EXPECT_TRUE(kit.TakeAlerts().empty());
  EXPECT_EQ(kit.Field("r", "temperature_c"), "4");
}

INSTANTIATE_TEST_SUITE_P(Both, TutorialTest, testing::Values(Language::kCpp, Language::kLua),
                         testing::PrintToStringParamName());

}  // namespace
