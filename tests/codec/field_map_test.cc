#include "gateway/codec/field_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/codec/table.h"

namespace gemel::codec {
namespace {

using testing::HasSubstr;

std::string Problem(const FieldMapSpec& spec) {
  const Result<FieldMap> map = FieldMap::Compile(TestTable(), spec);
  EXPECT_FALSE(map.ok());
  return map.ok() ? "" : map.status().message();
}

std::string Problem(MappedField field) { return Problem({.fields = {std::move(field)}}); }

TEST(FieldMapTest, KnowsItsTableAndItsSymbols) {
  EXPECT_EQ(Compiled({}).table_size(), TestTable().size());
  EXPECT_TRUE(Compiled({}).has_symbols());
  EXPECT_FALSE(Compiled({.fields = {{.field = "lat"}}}).has_symbols());
  EXPECT_TRUE(Compiled({.codec = Codec::kText, .text_field = "region"}).has_symbols());
  EXPECT_FALSE(Compiled({.codec = Codec::kText}).has_symbols());
}

TEST(FieldMapTest, RefusesFieldsThatARouteCannotFill) {
  EXPECT_EQ(Problem({.field = "nope"}), "the model has no field \"nope\"");
  EXPECT_THAT(Problem({.field = "topic_part"}), HasSubstr("not filled by telemetry"));
  EXPECT_THAT(Problem({.field = "mood"}), HasSubstr("choices"));
  EXPECT_THAT(Problem({.fields = {{.field = "lat"}, {.field = "lat", .at = "/x"}}}),
              HasSubstr("lat: mapped twice"));
}

TEST(FieldMapTest, RefusesMalformedPointers) {
  EXPECT_THAT(Problem({.field = "lat", .at = "lat"}),
              HasSubstr("lat: JSON pointer \"lat\" must begin"));
  EXPECT_THAT(Problem({.field = "lat", .at = "/a~"}), HasSubstr("neither"));
  EXPECT_THAT(Problem({.field = "lat", .at = "^lat"}), HasSubstr("must begin"));
  EXPECT_THAT(Problem({.field = "lat", .at = std::string(40, '/')}), HasSubstr("deeper"));
}

TEST(FieldMapTest, RefusesUnitsThatDoNotConvert) {
  EXPECT_THAT(Problem({.field = "temp_c", .unit = "bar"}), HasSubstr("temp_c: "));
  EXPECT_THAT(Problem({.field = "name", .unit = "F"}), HasSubstr("numbers only"));
}

TEST(FieldMapTest, RefusesValuesThatDoNotFit) {
  EXPECT_THAT(Problem({.field = "is_open", .values = {{"ON", "\"yes\""}}}),
              HasSubstr("is_open: value for \"ON\": "));
  EXPECT_THAT(Problem({.field = "odometer_m", .values = {{"x", "1.5"}}}), HasSubstr("fraction"));
  EXPECT_THAT(Problem({.field = "odometer_m", .values = {{"x", "nope"}}}), HasSubstr("no JSON"));
}

TEST(FieldMapTest, TextPayloadsFillTheFieldThatTheRouteNames) {
  EXPECT_THAT(Problem({.codec = Codec::kText, .text_field = "nope"}), HasSubstr("no field"));
  EXPECT_THAT(Problem({.codec = Codec::kText, .text_field = "lat", .fields = {{.field = "lon"}}}),
              HasSubstr("fills one field"));
}

}  // namespace
}  // namespace gemel::codec
