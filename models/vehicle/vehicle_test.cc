#include "models/vehicle/vehicle.h"

#include <chrono>
#include <cstdlib>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/device_testing.hpp"
#include "gateway/sdk/testing.hpp"

namespace vehicle {
namespace {

using namespace std::chrono_literals;
using gemel::TestAlert;
using gemel::TestCommand;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

auto Alert(const char* code) { return Field(&TestAlert::code, code); }
auto Command(const char* name) { return Field(&TestCommand::name, name); }

// Noon of 2016-11-24 in Austin, which is six hours behind UTC. Trip 7 calls at a, at b 1.1 km to
// the north ten minutes later, and at a again.
constexpr int64_t kNoonMs = 1'480'010'400'000;
constexpr const char* kTimetable =
    "trip_id,arrival_time,stop_id\n"
    "7,12:00:00,a\n7,12:10:00,b\n7,12:20:00,a\n"
    "8,24:05:00,a\n"
    "7,12:15:00,nowhere\n";
constexpr const char* kStops =
    "stop_id,stop_name,stop_lat,stop_lon\n"
    "a,A STREET,30.26,-97.74\nb,B STREET,30.27,-97.74\n";

gemel::TestOptions Options(bool has_tables) {
  gemel::TestOptions options{.parameters = R"({"utc_offset_min": -360})",
                             .time_pointer = "/time_ms"};
  if (has_tables) options.tables = {{"timetable", kTimetable}, {"stops", kStops}};
  return options;
}

class VehicleTest : public testing::Test {
 public:
  // At second `at_s` after noon.
  void Say(int at_s, double latitude, double speed, const char* trip = "7") {
    kit.Feed("v",
             R"({"time_ms": )" + std::to_string(kNoonMs + at_s * 1'000LL) +
                 R"(, "latitude_deg": )" + std::to_string(latitude) +
                 R"(, "longitude_deg": -97.74, "speed_mps": )" + std::to_string(speed) +
                 R"(, "trip_id": ")" + trip + R"(", "headsign": "7-North"})",
             {{"route_id", "7"}});
  }
  std::string Show(const char* field) { return kit.Field("v", field); }

  gemel::TestKit<Vehicle> kit{Options(true)};
};

constexpr double kAtA = 30.2603;     // 33 m from the stop
constexpr double kOnRoad = 30.265;   // half way
constexpr double kFarAway = 30.765;  // 55 km to the north

TEST_F(VehicleTest, LatenessIsTakenAtAPlannedStopAndKeptOnTheRoad) {
  Say(125, kAtA, 0);
  EXPECT_EQ(Show("delay_s"), "125");
  EXPECT_EQ(Show("planned_stop"), "\"a\"");
  Say(400, kOnRoad, 10);
  EXPECT_EQ(Show("delay_s"), "125");
}

TEST_F(VehicleTest, ALoopCallsTwiceAtAStopAndTheNearerTimeCounts) {
  Say(1'170, kAtA, 5);
  EXPECT_EQ(Show("delay_s"), "-30");
}

TEST_F(VehicleTest, TimesPastMidnightBelongToTheEveningBefore) {
  Say(12 * 3'600 + 360, kAtA, 5, "8");
  EXPECT_EQ(Show("delay_s"), "60");
}

TEST_F(VehicleTest, AnotherTripForgetsTheLateness) {
  Say(125, kAtA, 0);
  Say(400, kOnRoad, 10, "9");
  EXPECT_EQ(Show("delay_s"), "null");
}

TEST_F(VehicleTest, MuchLatenessRaisesUntilItIsHalved) {
  Say(601, kAtA, 0, "8");
  EXPECT_THAT(kit.alerts("v"), IsEmpty()) << "twelve hours early";
  Say(1'202, 30.27, 0);
  EXPECT_EQ(Show("delay_s"), "602");
  EXPECT_THAT(kit.alerts("v"), ElementsAre(Alert("late")));
  Say(1'800, kAtA, 0);
  EXPECT_EQ(Show("delay_s"), "600");
  EXPECT_THAT(kit.alerts("v"), ElementsAre(Alert("late")));
}

TEST_F(VehicleTest, StandingAtAPlannedStopIsNoStall) {
  Say(0, kAtA, 0);
  Say(900, kAtA, 0);
  EXPECT_EQ(Show("phase"), "\"at_stop\"");
  EXPECT_EQ(Show("is_stalled"), "false");
}

TEST_F(VehicleTest, StandingOnTheRoadForTenMinutesIsAStall) {
  Say(0, kOnRoad, 0);
  Say(590, kOnRoad, 0);
  EXPECT_EQ(Show("phase"), "\"halted\"");
  Say(600, kOnRoad, 0);
  EXPECT_EQ(Show("is_stalled"), "true");
  EXPECT_THAT(kit.alerts("v"), ElementsAre(Alert("stalled")));
  Say(660, kOnRoad, 5);
  EXPECT_EQ(Show("is_stalled"), "false");
  EXPECT_THAT(kit.alerts("v"), IsEmpty());
}

TEST_F(VehicleTest, TwoHaltsAtDifferentPlacesAreNotOneStall) {
  Say(0, kOnRoad, 0);
  Say(240, kOnRoad + 0.001, 0);
  Say(600, kOnRoad + 0.001, 0);
  EXPECT_EQ(Show("is_stalled"), "false");
}

TEST_F(VehicleTest, ASilenceIsNotAStall) {
  Say(0, kOnRoad, 0);
  Say(3'600, kOnRoad, 0);
  EXPECT_EQ(Show("is_stalled"), "false");
}

TEST_F(VehicleTest, AJumpIsShownAsReportedAndChangesNothingElse) {
  Say(0, kAtA, 0);
  Say(240, kFarAway, 33);
  EXPECT_EQ(Show("is_jump"), "true");
  EXPECT_EQ(Show("latitude_deg"), "30.765");
  EXPECT_EQ(Show("accepted_latitude_deg"), "30.2603");
  EXPECT_EQ(Show("phase"), "\"at_stop\"");
  EXPECT_EQ(Show("reported_ms"), std::to_string(kNoonMs + 240'000));
  EXPECT_THAT(kit.TakeCommands(), IsEmpty());
  Say(480, kOnRoad, 10);
  EXPECT_EQ(Show("is_jump"), "false");
  EXPECT_EQ(Show("phase"), "\"moving\"");
}

TEST_F(VehicleTest, SpeedingTellsTheDriverOnce) {
  Say(0, kOnRoad, 31);
  Say(10, kOnRoad + 0.003, 32);
  Say(20, kOnRoad + 0.006, 33);
  EXPECT_THAT(kit.TakeCommands(), ElementsAre(Command("slow_down")));
  EXPECT_THAT(kit.alerts("v"), ElementsAre(Alert("speeding")));
  Say(30, kOnRoad + 0.009, 30);
  EXPECT_THAT(kit.alerts("v"), IsEmpty());
}

TEST_F(VehicleTest, LateReportsChangeNothing) {
  Say(240, kAtA, 0);
  Say(0, kFarAway, 40);
  EXPECT_EQ(Show("latitude_deg"), "30.2603");
  EXPECT_EQ(Show("is_jump"), "false");
  EXPECT_EQ(Show("is_speeding"), "false");
  EXPECT_EQ(Show("reported_ms"), std::to_string(kNoonMs + 240'000));
}

TEST(VehicleWithoutTimetableTest, StallsByDurationAloneAndKnowsNoLateness) {
  gemel::TestKit<Vehicle> kit(Options(false));
  const std::string place = R"("latitude_deg": 30.26, "longitude_deg": -97.74, "speed_mps": 0})";
  kit.Feed("v", R"({"time_ms": 1480010400000, )" + place);
  kit.Feed("v", R"({"time_ms": 1480011000000, )" + place);
  EXPECT_EQ(kit.Field("v", "is_stalled"), "true");
  EXPECT_EQ(kit.Field("v", "delay_s"), "null");
}

TEST(VehicleSetupTest, OneTableWithoutTheOtherIsRefused) {
  gemel::TestOptions options;
  options.tables = {{"stops", kStops}};
  EXPECT_THROW(gemel::TestKit<Vehicle>{options}, std::invalid_argument);
}

TEST(VehicleSetupTest, ATimeThatIsNoneNamesItsRow) {
  gemel::TestOptions options = Options(true);
  options.tables[0].second += "9,noon,a\n";
  try {
    const gemel::TestKit<Vehicle> kit(options);
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("row 6: arrival_time is \"noon\""));
  }
}

TEST(TimeOfDayTest, ReadsWhatTimetablesWrite) {
  EXPECT_EQ(ParseTimeOfDay("5:03:09"), 5 * 3'600 + 3 * 60 + 9);
  EXPECT_EQ(ParseTimeOfDay("28:06:00"), 28 * 3'600 + 360);
  for (const char* text : {"", "5:03", "5:3:99", "5:60:00", "5::1", "a:00:00", "5:03:09:1",
                           "5:03:", "123:00:00", " 5:03:09"}) {
    EXPECT_EQ(ParseTimeOfDay(text), std::nullopt) << text;
  }
}

TEST(DelayTest, IsNeverMoreThanHalfADay) {
  EXPECT_EQ(DelayS(100, 40), 60);
  EXPECT_EQ(DelayS(40, 100), -60);
  EXPECT_EQ(DelayS(60, 86'400 + 30), 30);
  EXPECT_EQ(DelayS(86'340, 0), -60);
}

TEST(BusDeviceTest, FaultsAreFoundAndNothingElseIs) {
  gemel::TestKit<Vehicle> kit(
      {.parameters = R"({"stall_after_s": 60})", .time_pointer = "/time_ms"});
  std::set<std::string> codes;
  for (int i = 1; i <= 30; ++i) {
    gemel::DeviceKit<BusDevice> device("bus-" + std::to_string(i), i);
    device.state().fault_at_ms = device.state().last_ms + 60'000;
    bool is_found = false;
    for (int second = 0; second < 1'200; ++second) {
      for (const std::string& json : device.Advance(1s)) {
        kit.Feed(device.id(), json, {{"route_id", device.topic().at("route_id")}});
      }
      for (const TestCommand& command : kit.TakeCommands()) device.Order(command.name);
      for (const TestAlert& alert : kit.TakeAlerts()) {
        EXPECT_TRUE(device.truth().contains(alert.code)) << alert.code;
        codes.insert(alert.code);
        is_found = true;
      }
      is_found = is_found || kit.state(device.id()).is_jump;
    }
    EXPECT_TRUE(is_found) << device.id();
  }
  EXPECT_THAT(codes, testing::UnorderedElementsAre("stalled", "speeding"));
}

}  // namespace
}  // namespace vehicle
