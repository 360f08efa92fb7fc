#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

extern "C" const gemel_model* gemel_plugin();

namespace {

TEST(TemplateTest, WarmthRaisesAnAlertAndAsksTheDeviceToCoolDown) {
  gemel::TestKitBase kit(*gemel_plugin(), {.parameters = R"({"limit_c": 5})"});
  kit.Feed("t1", R"({"temperature_c": 4.5})");
  EXPECT_TRUE(kit.alerts("t1").empty());

  kit.Feed("t1", R"({"temperature_c": 6})");
  ASSERT_EQ(kit.alerts("t1").size(), 1u);
  EXPECT_EQ(kit.alerts("t1").front().code, "too_warm");
  EXPECT_EQ(kit.Field("t1", "is_warm"), "true");
  const auto commands = kit.TakeCommands();
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands.front().name, "cool_down");

  kit.Feed("t1", R"({"temperature_c": 4})");
  EXPECT_TRUE(kit.alerts("t1").empty());
}

}  // namespace
