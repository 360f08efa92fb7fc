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

// A house that counts the doors that are open in it.
struct House {
  struct State {
    int64_t open = 0;
    Last<bool> has_alarm;
  };
  static constexpr const char* kName = "house";
  static constexpr const char* kMeaning = "A house with doors.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        computed(&State::open, "open", "", "Doors that are open."),
        telemetry(&State::has_alarm, "has_alarm", "", "Whether the alarm is set."),
    };
    return kFields;
  }
  explicit House(const Setup&) {}
  void on_telemetry(State& state, const gemel::Message& message, Context& context) const {
    if (message.find<bool>("has_alarm").value_or(false) && state.open > 0)
      context.send("door", "front", "close", {{"because", "the alarm is set"}});
  }
  void on_message(State& state, const TwinMessage& message, Context& context) const {
    if (message.name() == "opened") state.open += message.find<int64_t>("wings").value_or(1);
    if (message.name() == "burns") context.remove();
    if (message.name() == "typed") static_cast<void>(message.get<double>("wings"));
  }
};

TEST(TestKitTest, MessagesComeAndGo) {
  TestKit<House> kit({.others = {"door"}});
  kit.Message("h1", "door", "front", "opened");
  kit.Message("h1", "door", "back", "opened", {{"wings", 2}});
  EXPECT_EQ(kit.state("h1").open, 3);
  kit.Feed("h1", R"({"has_alarm": true})");
  const auto sent = kit.TakeMessages();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].from_id, "h1");
  EXPECT_EQ(sent[0].to_model, "door");
  EXPECT_EQ(sent[0].to_id, "front");
  EXPECT_EQ(sent[0].name, "close");
  kit.Message("h1", "door", "front", "typed", {{"wings", 2}});  // any number is a double
  EXPECT_THROW(kit.Message("h1", "door", "front", "typed"), MessageRefused);
  EXPECT_THROW(kit.Message("h1", "door", "front", "typed", {{"wings", "x"}}), MessageRefused);
  kit.Message("h1", "door", "front", "burns");
  EXPECT_EQ(kit.twins(), 0u);
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
