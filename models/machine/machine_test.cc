#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

namespace {

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

// Columns of ai4i2020.csv.
constexpr size_t kProduct = 1;
constexpr size_t kQuality = 2;
constexpr size_t kHeat = 10;
constexpr size_t kPower = 11;
constexpr size_t kOverstrain = 12;

TEST(MachineTest, TheThreeRulesAgreeWithTheFlagsOfEveryRow) {
  const char* const data = std::getenv("GEMEL_DATA_DIR");
  const std::filesystem::path path =
      std::filesystem::path(data == nullptr ? "../shared/data" : data) / "ai4i2020/ai4i2020.csv";
  if (!std::filesystem::exists(path)) {
    if (const char* ci = std::getenv("CI");
        ci != nullptr && std::string(ci) == "true" &&
        std::filesystem::exists(path.parent_path().parent_path()))
      FAIL() << path << " is missing";
    GTEST_SKIP() << "no " << path;
  }
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  gemel::TestKitBase kit(std::filesystem::path(MACHINE_SCRIPT), {});
  size_t rows = 0;
  size_t raised[3] = {};
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = Cells(line);
    ASSERT_EQ(cells.size(), 14u) << line;
    // One machine makes all: what it remembers of the product before must not show.
    kit.Feed("mill", R"({"quality": ")" + cells[kQuality] + R"(", "air_temperature_k": )" +
                         cells[3] + R"(, "process_temperature_k": )" + cells[4] +
                         R"(, "rotation_rpm": )" + cells[5] + R"(, "torque_nm": )" + cells[6] +
                         R"(, "tool_wear_min": )" + cells[7] + "}");
    const auto flag = [&](const char* field) {
      return kit.Field("mill", field) == "true" ? "1" : "0";
    };
    ASSERT_EQ(flag("is_heat_dissipation_failure"), cells[kHeat]) << cells[kProduct];
    ASSERT_EQ(flag("is_power_failure"), cells[kPower]) << cells[kProduct];
    ASSERT_EQ(flag("is_overstrain_failure"), cells[kOverstrain]) << cells[kProduct];
    for (const auto& alert : kit.TakeAlerts()) {
      if (alert.status != "active_unacked") continue;
      ++raised[alert.code == "heat_dissipation" ? 0 : alert.code == "power" ? 1 : 2];
    }
    ++rows;
  }
  EXPECT_EQ(rows, 10'000u);
  for (const size_t count : raised) EXPECT_GT(count, 0u);
}

}  // namespace
