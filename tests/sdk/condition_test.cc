// Alerts that follow a condition over time, on the gateway's own twin code.

#include "gateway/sdk/condition.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

namespace gemel {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Condition kTooWarm{
    .alarm = {Severity::kMinor, "too_warm", "Warmer than its limit"},
    .hold = seconds(30),
    .clear_after = minutes(1),
    .steps = {{{minutes(10), Severity::kMajor}, {hours(1), Severity::kCritical}}}};
constexpr Condition kOpen{.alarm = {Severity::kMajor, "open", "The door is open"},
                          .steps = {{{minutes(5), Severity::kInfo}}}};
constexpr Often kSlam{"slam", 3, minutes(10)};
constexpr Condition kSlammed{.alarm = {Severity::kWarning, "slammed", "Slammed three times"}};

struct Fridge {
  struct State {
    Last<double> temperature_c;
    Last<bool> is_open;
    Last<bool> slams;
    bool is_above = false;
    Watch warm = Watch::kCalm;
    Watch open = Watch::kCalm;
    Watch slammed = Watch::kCalm;
    int64_t slam_count = 0;
  };
  static constexpr const char* kName = "fridge";
  static constexpr const char* kMeaning = "A fridge.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::temperature_c, "temperature_c", "degC", "Inside."),
        telemetry(&State::is_open, "is_open", "", "The door."),
        telemetry(&State::slams, "slams", "", "The door was slammed."),
        computed(&State::is_above, "is_above", "", "Above 8 and not yet below 6."),
        computed(&State::warm, "warm", kWatchNames, "Whether it is too warm."),
        computed(&State::open, "open", kWatchNames, "Whether it is open."),
        computed(&State::slammed, "slammed", kWatchNames, "Whether it is slammed often."),
        computed(&State::slam_count, "slam_count", "", "Times that the door was slammed."),
    };
    return kFields;
  }
  explicit Fridge(const Setup&) {}

  void on_telemetry(State& state, const Message& message, Context& context) const {
    const double temperature_c = state.temperature_c.value_or(kNoNumber);
    Follow(context, state.warm, Hysteresis(state.is_above, temperature_c, 8, 6), kTooWarm,
           {{"temperature_c", temperature_c}});
    Follow(context, state.open, state.is_open.value_or(false), kOpen);
    if (message.has(state.slams)) Happened(context, state.slam_count, kSlam);
    Follow(context, state.slammed, IsOften(context, kSlam), kSlammed);
  }
  void on_timer(State& state, std::string_view name, Context& context) const {
    if (OnTimer(context, state.warm, name, kTooWarm)) return;
    if (OnTimer(context, state.open, name, kOpen)) return;
    if (IsOf(name, kSlam)) Follow(context, state.slammed, IsOften(context, kSlam), kSlammed);
  }
};

class ConditionTest : public ::testing::Test {
 protected:
  void Warm() { kit_.Feed("f", R"({"temperature_c": 9})"); }
  void Mild() { kit_.Feed("f", R"({"temperature_c": 7})"); }
  void Cold() { kit_.Feed("f", R"({"temperature_c": 5})"); }
  void Slam() { kit_.Feed("f", R"({"slams": true})"); }
  // "severity status" of what was sent since the last call.
  std::vector<std::string> Sent() {
    std::vector<std::string> sent;
    for (const TestAlert& alert : kit_.TakeAlerts())
      sent.push_back(alert.severity + " " + alert.status);
    return sent;
  }
  std::string Is(const char* field) { return kit_.Field("f", field); }

  TestKit<Fridge> kit_;
};

TEST_F(ConditionTest, ItMustHoldWithoutABreakBeforeItIsRaised) {
  Warm();
  EXPECT_EQ(Is("warm"), "\"held\"");
  kit_.Advance(seconds(29));
  Cold();
  EXPECT_THAT(kit_.timers("f"), IsEmpty());
  Warm();
  kit_.Advance(seconds(29));
  Warm();  // says nothing new
  EXPECT_THAT(Sent(), IsEmpty());
  kit_.Advance(seconds(1));
  EXPECT_THAT(Sent(), ElementsAre("minor active_unacked"));
  EXPECT_EQ(Is("warm"), "\"raised\"");
}

TEST_F(ConditionTest, ItMustBeOverWithoutABreakBeforeItIsCleared) {
  Warm();
  kit_.Advance(seconds(30));
  Sent();
  Cold();
  EXPECT_EQ(Is("warm"), "\"ending\"");
  kit_.Advance(seconds(59));
  Warm();
  EXPECT_EQ(Is("warm"), "\"raised\"");
  kit_.Advance(minutes(2));
  EXPECT_THAT(Sent(), IsEmpty()) << "it is still the same alert";
  Cold();
  kit_.Advance(minutes(1));
  EXPECT_THAT(Sent(), ElementsAre("minor cleared_unacked"));
  EXPECT_EQ(Is("warm"), "\"calm\"");
  EXPECT_THAT(kit_.timers("f"), IsEmpty()) << "no step is to come any more";
}

TEST_F(ConditionTest, BetweenTheTwoLevelsItIsAsItWas) {
  Mild();
  EXPECT_EQ(Is("is_above"), "false");
  Warm();
  Mild();
  EXPECT_EQ(Is("is_above"), "true");
  kit_.Feed("f", R"({"temperature_c": null})");
  EXPECT_EQ(Is("is_above"), "true");
  Cold();
  Mild();
  EXPECT_EQ(Is("is_above"), "false");
  bool is_low = false;
  EXPECT_TRUE(Hysteresis(is_low, 1, 2, 3)) << "a level below which it begins";
  EXPECT_TRUE(Hysteresis(is_low, 2.5, 2, 3));
  EXPECT_TRUE(Hysteresis(is_low, kNoNumber, 2, 3));
  EXPECT_FALSE(Hysteresis(is_low, 3.5, 2, 3));
}

TEST_F(ConditionTest, ItGrowsWorseTheLongerItLasts) {
  Warm();
  kit_.Advance(seconds(30));
  kit_.Advance(minutes(10));
  EXPECT_THAT(Sent(), ElementsAre("minor active_unacked", "major active_unacked"));
  EXPECT_EQ(Is("warm"), "\"raised_1\"");
  kit_.Advance(minutes(59));
  Cold();
  EXPECT_EQ(Is("warm"), "\"ending_1\"");
  Warm();
  kit_.Advance(minutes(1));
  EXPECT_THAT(Sent(), ElementsAre("critical active_unacked"));
  EXPECT_EQ(kit_.alerts("f").at(0).count, 3);
  kit_.Advance(hours(100));
  EXPECT_THAT(Sent(), IsEmpty()) << "there is no third step";
  Cold();
  kit_.Advance(minutes(1));
  EXPECT_THAT(Sent(), ElementsAre("critical cleared_unacked"));
}

TEST_F(ConditionTest, OrMilderAndWithoutHoldsItFollowsAtOnce) {
  kit_.Feed("f", R"({"is_open": true})");
  EXPECT_THAT(Sent(), ElementsAre("major active_unacked"));
  kit_.Advance(minutes(5));
  EXPECT_THAT(Sent(), ElementsAre("info active_unacked"));
  kit_.Feed("f", R"({"is_open": false})");
  EXPECT_THAT(Sent(), ElementsAre("info cleared_unacked"));
  kit_.Feed("f", R"({"is_open": true})");
  kit_.Feed("f", R"({"is_open": false})");
  EXPECT_THAT(Sent(), ElementsAre("major active_unacked", "major cleared_unacked"));
  EXPECT_THAT(kit_.timers("f"), IsEmpty());
}

TEST_F(ConditionTest, ThreeTimesInTenMinutesCountExactly) {
  Slam();
  kit_.Advance(minutes(6));
  Slam();
  kit_.Advance(minutes(5));
  Slam();  // the first one is eleven minutes old
  EXPECT_THAT(Sent(), IsEmpty());
  kit_.Advance(minutes(4));
  Slam();  // nine minutes after the second
  EXPECT_THAT(Sent(), ElementsAre("warning active_unacked"));
  Slam();
  kit_.Advance(minutes(5));
  EXPECT_THAT(Sent(), IsEmpty()) << "the last three are within nine minutes";
  kit_.Advance(minutes(2));
  EXPECT_THAT(Sent(), ElementsAre("warning cleared_unacked"));
  EXPECT_EQ(kit_.state("f").slam_count, 5);
  kit_.Advance(minutes(10));
  EXPECT_THAT(kit_.timers("f"), IsEmpty());
}

TEST_F(ConditionTest, ACalmTwinSetsNoTimers) {
  for (int i = 0; i < 3; ++i) Cold();
  EXPECT_THAT(kit_.timers("f"), IsEmpty());
  EXPECT_THAT(Sent(), IsEmpty());
}

}  // namespace
}  // namespace gemel
