#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codec/table.h"

namespace gemel::codec {
namespace {

TEST(DecoderTest, TakesFieldsUnderTheirOwnNames) {
  EXPECT_EQ(
      DecodedJson(
          R"({"speed_kmh":88.5,"odometer_m":412345,"is_open":true,"name":"abc","other":[1,{"name":2}]})"),
      "speed_kmh=88.5 odometer_m=412345 is_open=true name=abc");
}

}  // namespace
}  // namespace gemel::codec
