// The test kit that models are tried with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

namespace gemel {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// A door that must not stay open.
struct Door {
  struct State {
    Last<bool> is_open;
    int64_t reminders = 0;
  };
  static constexpr const char* kName = "door";
  static constexpr const char* kMeaning = "A door.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::is_open, "is_open", "", "Whether it is open."),
        computed(&State::reminders, "reminders", "", "How often it was told to close."),
    };
    return kFields;
  }
  explicit Door(const Setup&) {}

  void on_telemetry(State& state, const Message&, Context& context) const {
    if (state.is_open.value_or(false)) {
      if (!context.has_timer("left_open")) context.set_timer("left_open", minutes(2));
      context.set_timer("remind", seconds(30), seconds(30));
    } else {
      context.cancel_timer("left_open");
      context.cancel_timer("remind");
      context.clear("left_open");
    }
  }
  void on_timer(State& state, std::string_view name, Context& context) const {
    if (name == "left_open") context.raise(Severity::kMajor, "left_open", "It is still open");
    if (name != "remind") return;
    ++state.reminders;
    context.reply("close");
    if (state.reminders == 6) throw std::runtime_error("nobody closes it");
  }
};

TEST(TestKitTest, TimersFireAtTheirTimeAsVirtualTimePasses) {
  TestKit<Door> kit;
  kit.Feed("d1", R"({"is_open": true})");
  EXPECT_THAT(kit.timers("d1"), SizeIs(2));
  EXPECT_EQ(kit.timers("d1")[0].name, "left_open");
  EXPECT_EQ(kit.timers("d1")[0].due, kit.now() + minutes(2));
  EXPECT_EQ(kit.timers("d1")[1].every, seconds(30));
  kit.Advance(seconds(119));
  EXPECT_THAT(kit.TakeCommands(), SizeIs(3));
  EXPECT_THAT(kit.TakeAlerts(), SizeIs(0));
  kit.Advance(seconds(1));
  ASSERT_THAT(kit.TakeAlerts(), SizeIs(1));
  EXPECT_EQ(kit.state("d1").reminders, 4);
  kit.Feed("d1", R"({"is_open": false})");
  EXPECT_THAT(kit.timers("d1"), SizeIs(0));
  EXPECT_THAT(kit.alerts("d1"), SizeIs(0));
}

TEST(TestKitTest, AFailureOfATimerIsToldAndTheTwinIsAsItWas) {
  TestKit<Door> kit;
  kit.Feed("d1", R"({"is_open": true})");
  EXPECT_THROW(kit.Advance(minutes(10)), MessageRefused);
  EXPECT_EQ(kit.state("d1").reminders, 5);
  EXPECT_EQ(kit.TakeCommands().size(), 5u);
}

}  // namespace
}  // namespace gemel
