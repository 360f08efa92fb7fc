#include "gateway/base/quantity.h"

#include <string>

#include <gtest/gtest.h>

namespace gemel {
namespace {

using namespace std::chrono_literals;

TEST(QuantityTest, DurationIsAWholeNumberAndAUnit) {
  EXPECT_EQ(*ParseDuration("60s"), 60s);
  EXPECT_EQ(*ParseDuration("1500ms"), 1500ms);
  EXPECT_EQ(*ParseDuration("7us"), 7us);
  EXPECT_EQ(*ParseDuration("5m"), 5min);
  EXPECT_EQ(*ParseDuration("5min"), 5min);
  EXPECT_EQ(*ParseDuration("2h"), 2h);
  EXPECT_EQ(*ParseDuration("7d"), 168h);
  EXPECT_EQ(*ParseDuration("0s"), 0s);
}

TEST(QuantityTest, WrongDurationSaysWhatIsAllowed) {
  for (const char* text : {"", "60", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "1S", "1h30m",
                           "99999999999999999999s", "9223372036854775807d", "0x10s", "1e3s"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().message(),
              '"' + std::string(text) +
                  "\" is no duration; a whole number with a unit of us, ms, s, m, h or d, like "
                  "\"1500ms\"");
  }
}

TEST(QuantityTest, SizeIsAWholeNumberAndABinaryUnit) {
  EXPECT_EQ(*ParseSize("0B"), 0u);
  EXPECT_EQ(*ParseSize("512B"), 512u);
  EXPECT_EQ(*ParseSize("64KiB"), 65'536u);
  EXPECT_EQ(*ParseSize("256MiB"), 268'435'456u);
  EXPECT_EQ(*ParseSize("3GiB"), 3'221'225'472u);
  EXPECT_EQ(*ParseSize("1TiB"), 1'099'511'627'776u);
}

TEST(QuantityTest, WrongSizeSaysWhatIsAllowed) {
  for (const char* text : {"", "64", "64kB", "64MB", "64kib", "-1B", "1.5MiB", "9000000TiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
  EXPECT_EQ(ParseSize("64kB").status().message(),
            "\"64kB\" is no size; a whole number with a unit of B, KiB, MiB, GiB or TiB, like "
            "\"64KiB\"");
}

TEST(QuantityTest, MessageStaysOneShortLineForAnyText) {
  const std::string message = ParseDuration("a\nb\"" + std::string(10'000, 'x')).status().message();
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_LT(message.size(), 200u);
}

TEST(QuantityTest, FormatWritesTheShortestTextThatReadsBack) {
  EXPECT_EQ(FormatDuration(0s), "0us");
  EXPECT_EQ(FormatDuration(90s), "90s");
  EXPECT_EQ(FormatDuration(120s), "2m");
  EXPECT_EQ(FormatDuration(36h), "36h");
  EXPECT_EQ(FormatDuration(168h), "7d");
  EXPECT_EQ(FormatDuration(1500us), "1500us");
  EXPECT_EQ(FormatSize(65'536), "64KiB");
  EXPECT_EQ(FormatSize(65'537), "65537B");
  for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{61'000'000}, INT64_MAX}) {
    EXPECT_EQ(ParseDuration(FormatDuration(std::chrono::microseconds(value)))->count(), value);
    EXPECT_EQ(*ParseSize(FormatSize(static_cast<uint64_t>(value))), static_cast<uint64_t>(value));
  }
}

}  // namespace
}  // namespace gemel
