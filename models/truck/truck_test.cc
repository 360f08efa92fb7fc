#include "models/truck/truck.h"

#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/device_testing.hpp"
#include "gateway/sdk/testing.hpp"

namespace truck {
namespace {

using namespace std::chrono_literals;
using gemel::TestAlert;
using gemel::TestCommand;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

auto Alert(const char* code, const char* severity) {
  return AllOf(Field(&TestAlert::code, code), Field(&TestAlert::severity, severity));
}
auto Command(const char* name) { return Field(&TestCommand::name, name); }

// Stops on the 40th parallel, a degree (85 km) apart; cargo from 2 to 8 degrees; service at
// 100,000 km; fault 110 is known.
constexpr const char* kProfile =
    "id,planned_driver,cargo_min_c,cargo_max_c,service_due_km,known_fault_code,"
    "stop1_latitude_deg,stop1_longitude_deg,stop2_latitude_deg,stop2_longitude_deg\n"
    "t,Lena,2,8,100000,110,40,-100,40,-99\n";

class TruckTest : public testing::Test {
 public:
  // At second `at` of the test, the halves of a JSON object.
  void Say(int at_s, const std::string& fields) {
    kit.Feed("t", R"({"time_ms": )" + std::to_string(1'700'000'000'000 + at_s * 1'000) + ", " +
                      fields + "}");
  }
  // One report every ten seconds, from `from_s` up to and with `to_s`.
  void Keep(int from_s, int to_s, const std::string& fields) {
    for (int at_s = from_s; at_s <= to_s; at_s += 10) Say(at_s, fields);
  }
  std::string Show(const char* field) { return kit.Field("t", field); }

  gemel::TestKit<Truck> kit{{.profile = kProfile, .time_pointer = "/time_ms"}};
};

constexpr const char* kOnRoad = R"("latitude_deg": 40.0, "longitude_deg": -99.5)";
constexpr const char* kAtPlannedStop = R"("latitude_deg": 40.001, "longitude_deg": -99.0)";

std::string At(const char* place, double speed_kmh, const char* rest = "") {
  return std::string(place) + R"(, "speed_kmh": )" + std::to_string(speed_kmh) + rest;
}

TEST_F(TruckTest, StandingAtAPlannedStopIsNoStall) {
  Keep(0, 1'000, At(kAtPlannedStop, 0, R"(, "engine_on": true)"));
  EXPECT_EQ(Show("phase"), "\"at_stop\"");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, StandingOnTheRoadWithTheEngineRunningBecomesAStall) {
  Keep(0, 290, At(kOnRoad, 0, R"(, "engine_on": true)"));
  EXPECT_EQ(Show("phase"), "\"stopped\"");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
  Keep(300, 300, At(kOnRoad, 0, R"(, "engine_on": true)"));
  EXPECT_EQ(Show("phase"), "\"stalled\"");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("stalled", "major")));
  Keep(310, 310, At(kOnRoad, 50));
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, StandingOnTheRoadWithTheEngineOffIsARest) {
  Keep(0, 1'000, At(kOnRoad, 0, R"(, "engine_on": false)"));
  EXPECT_EQ(Show("phase"), "\"resting\"");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, WarningLightsMakeAStallEvenWithTheEngineOff) {
  Keep(0, 300, At(kOnRoad, 0, R"(, "engine_on": false, "hazard_on": true)"));
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("stalled", "major")));
}

TEST_F(TruckTest, TooManyHoursAskTheDriverToRestAndAgainAQuarterOfAnHourLater) {
  Keep(0, 16'190, At(kOnRoad, 80));
  EXPECT_THAT(kit.TakeCommands(), IsEmpty());
  Say(16'200, At(kOnRoad, 80));
  EXPECT_THAT(kit.TakeCommands(), ElementsAre(Command("rest")));
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("hours_exceeded", "warning")));
  Keep(16'210, 17'090, At(kOnRoad, 80));
  EXPECT_THAT(kit.TakeCommands(), IsEmpty());
  Say(17'100, At(kOnRoad, 80));
  EXPECT_THAT(kit.TakeCommands(), ElementsAre(Command("rest")));

  Say(17'110, At(kOnRoad, 0, R"(, "engine_on": false)"));
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
  Say(17'110 + 2'700, At(kOnRoad, 80, R"(, "engine_on": true)"));
  EXPECT_EQ(kit.state("t").driven_s, 0);
}

TEST_F(TruckTest, TheTachographKnowsTheHoursBeforeTheTwinDid) {
  Say(0, At(kOnRoad, 80, R"(, "tacho_s": 16200)"));
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("hours_exceeded", "warning")));
}

TEST_F(TruckTest, LeavingTheRouteAsksToReturnToItsNearestPoint) {
  const char* beside = R"("latitude_deg": 40.03, "longitude_deg": -99.5)";
  Say(0, At(beside, 80));
  EXPECT_THAT(kit.alerts("t"), IsEmpty()) << "one position is no detour";
  Say(10, At(beside, 80));
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("off_route", "warning")));
  EXPECT_NEAR(kit.state("t").off_route_m, 3'336, 5);
  const auto commands = kit.TakeCommands();
  ASSERT_THAT(commands, ElementsAre(Command("return_to_route")));
  EXPECT_THAT(commands[0].arguments, HasSubstr("\"longitude_deg\":-99.5"));
  Say(20, At(kOnRoad, 80));
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, WarmCoolantIsAFaultOfATruckWhoseServiceIsFarAway) {
  Say(0, R"("engine_on": true, "odometer_km": 50000, "coolant_temp_c": 104)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("engine_overheat", "major")));
  EXPECT_EQ(Show("coolant"), "\"fault\"");
}

TEST_F(TruckTest, WarmCoolantIsExpectedShortlyBeforeService) {
  Say(0, R"("engine_on": true, "odometer_km": 99500, "coolant_temp_c": 104)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("service_expected", "info")));
  EXPECT_EQ(Show("coolant"), "\"expected\"");
}

TEST_F(TruckTest, NothingExplainsCoolantThatBoils) {
  Say(0, R"("engine_on": true, "odometer_km": 99500, "coolant_temp_c": 104)");
  Say(10, R"("engine_on": true, "odometer_km": 99500, "coolant_temp_c": 111)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("engine_overheat", "critical")));
  EXPECT_THAT(kit.TakeCommands(), ElementsAre(Command("rest")));
}

TEST_F(TruckTest, OilPressureCountsOnlyWhileTheEngineRuns) {
  Say(0, R"("engine_on": false, "oil_pressure_kpa": 0)");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
  Say(10, R"("engine_on": true, "oil_pressure_kpa": 90)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("oil_pressure_low", "critical")));
}

TEST_F(TruckTest, AKnownFaultCodeIsExpectedAndAnotherIsNew) {
  Say(0, R"("fault_code": 110)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("service_expected", "info")));
  Say(10, R"("fault_code": 3251)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("new_fault", "major")));
  Say(20, R"("fault_code": 0)");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, WarmCargoRaisesAfterAMinuteBecauseDoorsOpen) {
  Keep(0, 50, R"("cargo_temp_c": 9)");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
  Say(60, R"("cargo_temp_c": 9)");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("cargo_temperature", "major")));
}

TEST_F(TruckTest, AnotherDriverThanPlannedIsTold) {
  Say(0, R"("driver": "Lena")");
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
  Say(10, R"("driver": "Oskar")");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("other_driver", "info")));
}

TEST_F(TruckTest, LateMessagesLeaveWhatIsDerivedUnchanged) {
  Keep(0, 100, At(kOnRoad, 80, R"(, "coolant_temp_c": 90)"));
  const State before = kit.state("t");
  Say(95, At(kOnRoad, 0, R"(, "coolant_temp_c": 130, "cargo_temp_c": 40, "fault_code": 9)"));
  const State& after = kit.state("t");
  EXPECT_EQ(after.phase, before.phase);
  EXPECT_EQ(after.driven_s, before.driven_s);
  EXPECT_EQ(after.judged_at, before.judged_at);
  EXPECT_THAT(kit.alerts("t"), IsEmpty());
}

TEST_F(TruckTest, AFewFieldsAndNullsAreEnough) {
  Say(0, R"("latitude_deg": 40.0, "longitude_deg": null, "speed_kmh": 80, "fleet": "West")");
  Say(10, R"("fuel_fraction": 0.05, "load_kg": 3000, "status_code": 2, "driver": null)");
  EXPECT_EQ(Show("phase"), "\"driving\"");
  EXPECT_EQ(Show("longitude_deg"), "null");
  EXPECT_EQ(Show("off_route_m"), "null");
  EXPECT_THAT(kit.alerts("t"), ElementsAre(Alert("fuel_low", "warning")));
}

TEST(TruckRulesTest, AValueOnTheEdgeDoesNotFlicker) {
  const Band band{.fault = 100, .danger = 110, .slack = 3};
  EXPECT_EQ(Grade(99, band, false, Reading::kNormal), Reading::kNormal);
  EXPECT_EQ(Grade(99, band, false, Reading::kFault), Reading::kFault);
  EXPECT_EQ(Grade(96, band, false, Reading::kFault), Reading::kNormal);
  EXPECT_EQ(Grade(108, band, true, Reading::kDanger), Reading::kDanger);
  EXPECT_EQ(Grade(108, band, true, Reading::kFault), Reading::kExpected);
  EXPECT_EQ(Grade(gemel::kNoNumber, band, false, Reading::kNormal), Reading::kNormal);
}

TEST(TruckRulesTest, TheRouteEndsAtItsLastStopAndNullStopsAreSkipped) {
  const Position stops[] = {{40, -100}, {}, {40, -99}};
  EXPECT_NEAR(DistanceToRoute(Plane({40.01, -99.5}), stops).distance_m, 1'112, 1);
  EXPECT_NEAR(DistanceToRoute(Plane({40, -98.99}), stops).distance_m, 852, 1);
  EXPECT_TRUE(std::isnan(DistanceToRoute(Plane({40, -99}), {stops, 2}).distance_m));
}

TEST(TruckRulesTest, AcrossTheDateLineIsNear) {
  const Position stops[] = {{0, 179.9}, {0, -179.9}};
  EXPECT_NEAR(DistanceToRoute(Plane({0.01, 180}), stops).distance_m, 1'112, 1);
}

// GEMEL_WRITE=1 in the environment writes the file anew.
TEST(TruckProfileTest, TrucksCsvIsWhatTheSimulatorPlans) {
  const char* path = GEMEL_MODEL_DIR "/trucks.csv";
  if (std::getenv("GEMEL_WRITE") != nullptr) std::ofstream(path) << ProfileCsv(500);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), ProfileCsv(500));
}

TEST(TruckDeviceTest, ATruckOnItsPlannedTripKeepsToItsRoute) {
  gemel::TestKit<Truck> kit({.profile = ProfileCsv(6), .time_pointer = "/time_ms"});
  for (int i = 1; i <= 6; ++i) {
    gemel::DeviceKit<TruckDevice> device("truck-" + std::to_string(i), i);
    device.state().fault_at_ms = std::numeric_limits<int64_t>::max();
    for (const std::string& json : device.Advance(3h)) kit.Feed(device.id(), json);
    EXPECT_LT(kit.state(device.id()).off_route_m, 1) << device.id();
    EXPECT_GT(kit.state(device.id()).odometer_km.value(), PlanOf(device.id()).odometer_km + 100);
  }
}

// What gateway/demo shows: with the parameters of truck.json, half a minute of 500 trucks.
TEST(TruckDeviceTest, HalfAMinuteOfAFleetHasAlertsThatAreTrueAndCommandsThatAreObeyed) {
  gemel::TestKit<Truck> kit(
      {.parameters = R"({"stall_after_s": 8, "cargo_after_s": 3, "corridor_m": 150,
                         "off_route_after_s": 2})",
       .profile = ProfileCsv(500),
       .time_pointer = "/time_ms"});
  std::set<std::string> codes;
  size_t commands = 0;
  size_t true_alerts = 0;
  for (int i = 1; i <= 500; ++i) {
    gemel::DeviceKit<TruckDevice> device("truck-" + std::to_string(i), i);
    for (int second = 0; second < 30; ++second) {
      for (const std::string& json : device.Advance(1s)) kit.Feed(device.id(), json);
      for (const TestCommand& command : kit.TakeCommands()) {
        device.Order(command.name);
        ++commands;
      }
      for (const TestAlert& alert : kit.TakeAlerts()) {
        const bool is_cleared = alert.status.starts_with("cleared");
        if (is_cleared || alert.severity == "info" || alert.code == "fuel_low") continue;
        EXPECT_TRUE(device.truth().contains(alert.code)) << alert.twin << " " << alert.code;
        codes.insert(alert.code);
        ++true_alerts;
      }
    }
  }
  EXPECT_GE(true_alerts, 10u);
  EXPECT_LE(true_alerts, 100u);
  EXPECT_GE(commands, 5u);
  EXPECT_THAT(codes, testing::IsSupersetOf({"hours_exceeded", "stalled", "off_route"}));
}

TEST(TruckDeviceTest, TheSameSeedGivesTheSameDay) {
  gemel::DeviceKit<TruckDevice> one("truck-7", 42);
  gemel::DeviceKit<TruckDevice> other("truck-7", 42);
  EXPECT_EQ(one.Advance(1h), other.Advance(1h));
}

TEST(TruckDeviceTest, TellsItToRestAndItRestsWithTheEngineOff) {
  gemel::DeviceKit<TruckDevice> device("truck-7");
  device.Order("rest", {{"minutes", 45}});
  device.Advance(1min);
  EXPECT_EQ(device.state().mode, TruckDevice::Mode::kResting);
  device.Advance(46min);
  EXPECT_EQ(device.state().mode, TruckDevice::Mode::kDriving);
  EXPECT_LT(device.state().tacho_s, 200);
}

}  // namespace
}  // namespace truck
