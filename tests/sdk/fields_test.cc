#include "gateway/sdk/fields.hpp"

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/sdk/testing.hpp"

namespace gemel {
namespace {

// A window class as the author of a model writes it.
struct Tail {
  static constexpr const char* kLayout = "tail<double,3>/1";
  double values[3] = {};
  uint32_t next = 0;
  uint32_t reserved = 0;

  void Add(double value) {
    values[next] = value;
    next = (next + 1) % 3;
  }
};

struct Thermometer {
  struct State {
    Last<double> temperature_c;
    Tail tail;
  };
  static constexpr const char* kName = "thermometer";
  static constexpr const char* kMeaning = "Remembers a little.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::temperature_c, "temperature_c", "degC", "As reported."),
        window(&State::tail, "tail", "The last three.")};
    return kFields;
  }
  explicit Thermometer(const Setup&) {}
  void on_telemetry(State& state, const Message&, Context&) const {
    state.tail.Add(state.temperature_c.value());
    if (state.temperature_c.value() > 50) throw std::runtime_error("too hot to remember");
  }
};

TEST(FieldsTest, AWindowIsOneFieldWithItsLayout) {
  const gemel_field& field = Thermometer::fields().data()[1];
  EXPECT_EQ(field.type, uint32_t{GEMEL_WINDOW});
  EXPECT_EQ(field.source, uint32_t{GEMEL_FROM_MODEL});
  EXPECT_EQ(field.offset, offsetof(Thermometer::State, tail));
  EXPECT_EQ(field.size, sizeof(Tail));
  EXPECT_EQ(field.time_offset, GEMEL_NO_OFFSET);
  ASSERT_EQ(field.choices_count, 1U);
  EXPECT_STREQ(field.choices[0], "tail<double,3>/1");
}

TEST(FieldsTest, AModelFillsItsWindowAndPeopleSeeASummary) {
  TestKit<Thermometer> kit;
  kit.Feed("t1", R"({"temperature_c": 20})");
  kit.Feed("t1", R"({"temperature_c": 21})");
  EXPECT_EQ(kit.state("t1").tail.next, 2U);
  EXPECT_EQ(kit.state("t1").tail.values[1], 21);
  EXPECT_EQ(kit.Field("t1", "tail"), R"({"layout":"tail<double,3>/1","bytes":32})");
}

TEST(FieldsTest, ACallThatFailsLeavesTheWindowAsItWas) {
  TestKit<Thermometer> kit;
  kit.Feed("t1", R"({"temperature_c": 20})");
  EXPECT_THROW(kit.Feed("t1", R"({"temperature_c": 60})"), MessageRefused);
  EXPECT_EQ(kit.state("t1").tail.next, 1U);
}

TEST(FieldsTest, TelemetryOfItsNameIsNobodysValue) {
  TestKit<Thermometer> kit;
  kit.Feed("t1", R"({"temperature_c": 20, "tail": {"layout": "tail<double,3>/1", "bytes": "00"}})");
  EXPECT_EQ(kit.state("t1").tail.values[0], 20);
}

struct Padded {
  static constexpr const char* kLayout = "padded/1";
  double value = 0;
  bool is_set = false;
};
struct Unset {
  int32_t value;
};
// A constant expression only where every byte belongs to a member that is set.
template <typename T, bool kIs = HasNoPadding<T>()>
constexpr bool IsPacked(int) {
  return kIs;
}
template <typename T>
constexpr bool IsPacked(...) {
  return false;
}

TEST(FieldsTest, PaddingIsFoundAtCompileTime) {
  EXPECT_TRUE(IsPacked<Tail>(0));
  EXPECT_FALSE(IsPacked<Padded>(0));
  static_assert(WindowType<Tail> && WindowType<Padded> && !WindowType<double>);
  static_assert(!WindowType<std::string>);
}

}  // namespace
}  // namespace gemel
