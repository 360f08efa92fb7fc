#include "gateway/base/time_text.h"

#include <string>

#include <gtest/gtest.h>

namespace gemel {
namespace {

std::string Read(std::string_view text) {
  const auto time = ParseIsoTime(text);
  return time ? FormatIsoTime(*time) : "nothing";
}

TEST(TimeTextTest, ReadsWhatDevicesWrite) {
  EXPECT_EQ(Read("2024-03-01T10:00:00+01:00"), "2024-03-01T09:00:00Z");
  EXPECT_EQ(Read("2020-01-15T16:02:10.668892406Z"), "2020-01-15T16:02:10.668892Z");
  EXPECT_EQ(Read("2020-01-15T16:02:11.2Z"), "2020-01-15T16:02:11.200Z");
  EXPECT_EQ(Read("2024-06-20T08:48:38.863512+00:00"), "2024-06-20T08:48:38.863512Z");
  EXPECT_EQ(Read("2020-10-19 07:00:32"), "2020-10-19T07:00:32Z");
  EXPECT_EQ(Read("2023-05-19T20:52:56"), "2023-05-19T20:52:56Z");
  EXPECT_EQ(Read("2024-03-01T00:30-0130"), "2024-03-01T02:00:00Z");
  EXPECT_EQ(Read("2024-03-01T10:00:00,5+02"), "2024-03-01T08:00:00.500Z");
  EXPECT_EQ(Read("2024-02-29"), "2024-02-29T00:00:00Z");
  EXPECT_EQ(Read("1969-12-31T23:59:59.999999Z"), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(Read("2024-03-01t10:00:00z"), "2024-03-01T10:00:00Z");
  EXPECT_EQ(Read("2024-01-01T00:00:00." + std::string(10'000, '9')), "2024-01-01T00:00:00.999999Z");
}

TEST(TimeTextTest, KnowsTheEpochAndItsLimits) {
  EXPECT_EQ(ParseIsoTime("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseIsoTime("2023-11-14T22:13:20Z"), 1'700'000'000'000'000);
  EXPECT_EQ(ParseIsoTime("0001-01-01T00:00:00Z"), kTimeMinUs);
  EXPECT_EQ(ParseIsoTime("9999-12-31T23:59:59.999999Z"), kTimeMaxUs);
  EXPECT_EQ(Read("0000-12-31T23:59:59Z"), "nothing");
  EXPECT_EQ(Read("0001-01-01T00:00:00+00:01"), "nothing");
  EXPECT_EQ(Read("9999-12-31T23:59:59-00:01"), "nothing");
}

TEST(TimeTextTest, RefusesWhatDoesNotExist) {
  for (const char* text :
       {"2024-02-30T00:00:00Z", "2023-02-29", "2127-15-31", "2024-00-01", "2024-01-00",
        "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+01:60"}) {
    EXPECT_EQ(Read(text), "nothing") << text;
  }
}

TEST(TimeTextTest, RefusesOtherTexts) {
  for (const char* text : {"",
                           "now",
                           "1700000000",
                           "@0.000000s",
                           "2024",
                           "2024-01",
                           "24-01-01",
                           "2024-1-1",
                           "2024-01-01T",
                           "2024-01-01T10",
                           "2024-01-01T10:",
                           "2024-01-01T10:00:",
                           "2024-01-01T10:00:00.",
                           "2024-01-01T10:00:00Zx",
                           "2024-01-01T10:00:00 Z",
                           "2024-01-01T10:00:00+",
                           "2024-01-01T10:00:00+1",
                           "2024-01-01Z",
                           " 2024-01-01",
                           "2024-01-01T10:00:00+01:0",
                           "-2024-01-01",
                           "+2024-01-01",
                           "2024-01-01T-1:00:00"}) {
    EXPECT_EQ(Read(text), "nothing") << text;
  }
  EXPECT_EQ(ParseIsoTime(std::string_view("2024-01-01\0", 11)), std::nullopt);
}

TEST(TimeTextTest, TakesALeapSecondAsTheLastMomentBeforeIt) {
  EXPECT_EQ(Read("2016-12-31T23:59:60Z"), "2016-12-31T23:59:59.999999Z");
  EXPECT_EQ(Read("2016-12-31T23:59:60.5Z"), "2016-12-31T23:59:59.999999Z");
  EXPECT_EQ(Read("2017-01-01T05:29:60+05:30"), "2016-12-31T23:59:59.999999Z");
  EXPECT_EQ(Read("2016-12-31T22:59:60Z"), "nothing");
}

}  // namespace
}  // namespace gemel
