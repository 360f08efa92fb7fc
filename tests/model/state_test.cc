#include "gateway/model/state.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "gateway/sdk/model.hpp"

namespace gemel::model {
namespace {

enum class Mood : uint8_t { kCold, kWarm };
constexpr const char* kMoods[] = {"cold", "warm"};

struct Ring {
  static constexpr const char* kLayout = "ring<int32,3>/1";
  int32_t values[3] = {1, 2, 3};
};

struct State {
  Ring recent;
  bool is_on = false;
  int64_t count = 0;
  double level = 0;
  Time made = kNoTime;
  Symbol kind;
  Text<8> note;
  Mood mood = Mood::kCold;
  Last<double> temp_c;
};

const Fields<State>& Table() {
  static const Fields<State> kTable = {
      computed(&State::is_on, "is_on", "", "Runs."),
      computed(&State::count, "count", "", "Counted."),
      computed(&State::level, "level", "", "Level."),
      computed(&State::made, "made", "", "Made."),
      computed(&State::kind, "kind", "", "Kind."),
      computed(&State::note, "note", "", "Note."),
      computed(&State::mood, "mood", kMoods, "Mood."),
      telemetry(&State::temp_c, "temp_c", "degC", "Inside."),
      window(&State::recent, "recent", "Seen."),
  };
  return kTable;
}

class StateTest : public ::testing::Test {
 protected:
  static const gemel_field& Field(std::string_view name) {
    for (size_t i = 0; i < Table().size(); ++i) {
      if (name == Table().data()[i].name) return Table().data()[i];
    }
    ADD_FAILURE() << name;
    return Table().data()[0];
  }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(&state_); }
  void Write(std::string_view name, const gemel_value& value) {
    WriteValue(Field(name), bytes(), value);
  }
  void WriteNull(std::string_view name) { Write(name, {GEMEL_NULL, 0, {.integer = 0}}); }
  // As JSON.
  std::string Read(std::string_view name) { return Json(ReadValue(Field(name), bytes())); }
  std::string Json(const gemel_value& value) {
    std::string out;
    AppendJson(value, symbols_, out);
    return out;
  }

  Symbols symbols_;
  State state_;
};

TEST_F(StateTest, AWindowIsBytesToTheGatewayAndASummaryToPeople) {
  const gemel_field& field = Field("recent");
  EXPECT_EQ(TypeName(field.type), "window");
  EXPECT_EQ(LayoutOf(field), "ring<int32,3>/1");
  Ring other;
  other.values[1] = -7;
  WriteWindow(field, bytes(), std::as_bytes(std::span(&other, 1)));
  EXPECT_EQ(state_.recent.values[1], -7);
  EXPECT_EQ(state_.recent.values[2], 3);
  const std::span<const std::byte> read = WindowOf(field, bytes());
  ASSERT_EQ(read.size(), sizeof other);
  EXPECT_EQ(std::memcmp(read.data(), &other, sizeof other), 0);

  WriteNull("recent");
  EXPECT_EQ(state_.recent.values[1], -7) << "a window has no null";
  EXPECT_EQ(Read("recent"), "null") << "nor a value that a message could hold";
  std::string shown;
  AppendFieldJson(field, bytes(), symbols_, shown);
  EXPECT_EQ(shown, R"({"layout":"ring<int32,3>/1","bytes":12})");
  shown.clear();
  state_.count = 5;
  AppendFieldJson(Field("count"), bytes(), symbols_, shown);
  EXPECT_EQ(shown, "5");
}

TEST_F(StateTest, EveryTypeReadsBackWhatWasWritten) {
  Write("is_on", ToValue(true));
  Write("count", ToValue(-7));
  Write("level", ToValue(0.1));
  Write("made", ToValue(Time{std::chrono::milliseconds{1'700'000'000'123}}));
  Write("kind", ToValue(*symbols_.Intern("van")));
  Write("note", ToValue("hello"));
  EXPECT_TRUE(state_.is_on);
  EXPECT_EQ(state_.count, -7);
  EXPECT_EQ(state_.level, 0.1);
  EXPECT_EQ(state_.note.view(), "hello");
  EXPECT_EQ(Read("is_on"), "true");
  EXPECT_EQ(Read("count"), "-7");
  EXPECT_EQ(Read("level"), "0.1");
  EXPECT_EQ(Read("made"), "1700000000123");
  EXPECT_EQ(Read("kind"), "\"van\"");
  EXPECT_EQ(Read("note"), "\"hello\"");
}

TEST_F(StateTest, NullWritesTheNullOfTheType) {
  state_ = {.is_on = true, .count = 1, .level = 1, .made = Time{}, .kind = {1}, .note = {"x"}};
  for (const char* name : {"is_on", "count", "level", "made", "kind", "note"}) WriteNull(name);
  EXPECT_FALSE(state_.is_on) << "a bool has no null of its own";
  EXPECT_EQ(state_.count, kNoInteger);
  EXPECT_TRUE(std::isnan(state_.level));
  EXPECT_EQ(state_.made, kNoTime);
  EXPECT_FALSE(state_.kind.has_value());
  EXPECT_FALSE(state_.note.has_value());
  for (const char* name : {"count", "level", "made", "kind", "note"}) {
    EXPECT_EQ(ReadValue(Field(name), bytes()).type, GEMEL_NULL) << name;
    EXPECT_EQ(Read(name), "null");
  }
}

TEST_F(StateTest, AFieldOfTelemetryIsNullUntilItWasReported) {
  Write("temp_c", ToValue(4.5));
  EXPECT_EQ(Read("temp_c"), "null");
  state_.temp_c.Set(4.5, Time{});
  EXPECT_EQ(Read("temp_c"), "4.5");
}

TEST_F(StateTest, ASymbolWithChoicesReadsAsItsText) {
  EXPECT_EQ(Read("mood"), "\"cold\"");
  state_.mood = Mood::kWarm;
  EXPECT_EQ(Read("mood"), "\"warm\"");
  state_.mood = static_cast<Mood>(9);
  EXPECT_EQ(Read("mood"), "null") << "what is no choice is nothing";
  Write("mood", ToValue(Symbol{1}));
  EXPECT_EQ(static_cast<int>(state_.mood), 9) << "only the model sets it";
}

TEST_F(StateTest, TextIsCutAtACharacterAndLeavesNothingBehind) {
  const auto cut = [&](std::string_view text) {
    Write("note", ToValue(text));
    return std::string(state_.note.view());
  };
  EXPECT_EQ(cut("12345678"), "12345678");
  EXPECT_EQ(cut("123456789"), "12345678");
  EXPECT_EQ(cut("1234567\u00e9"), "1234567");          // two bytes, one fits
  EXPECT_EQ(cut("123456\u20ac"), "123456");            // three, two fit
  EXPECT_EQ(cut("12345\U0001F600"), "12345");          // four, three fit
  EXPECT_EQ(cut("1234\U0001F600"), "1234\U0001F600");  // fits
  cut("abcdefgh");
  cut("x");
  State fresh;
  fresh.note.Assign("x");
  EXPECT_EQ(std::memcmp(&fresh.note, &state_.note, sizeof fresh.note), 0)
      << "equal texts are equal bytes";
}

TEST_F(StateTest, ATextThatClaimsMoreThanItsCapacityIsNotReadBeyondIt) {
  const uint16_t size = 60'000;
  std::memcpy(bytes() + Field("note").offset, &size, sizeof size);
  EXPECT_EQ(ReadValue(Field("note"), bytes()).length, 8u);
}

TEST_F(StateTest, NumbersAreTheShortestJsonThatReadsBack) {
  EXPECT_EQ(Json(ToValue(int64_t{9'007'199'254'740'993})), "9007199254740993");
  EXPECT_EQ(Json(ToValue(std::numeric_limits<int64_t>::max())), "9223372036854775807");
  EXPECT_EQ(Json(ToValue(1e300)), "1e+300");
  EXPECT_EQ(Json(ToValue(4.0)), "4");
  EXPECT_EQ(Json(ToValue(-0.1)), "-0.1");
  EXPECT_EQ(Json(ToValue(std::numeric_limits<double>::infinity())), "null");
  EXPECT_EQ(Json(ToValue(kNoNumber)), "null");
}

TEST_F(StateTest, TimesAreMillisecondsAlsoBefore1970) {
  EXPECT_EQ(Json(ToValue(Time{Duration{1'999}})), "1");
  EXPECT_EQ(Json(ToValue(Time{Duration{-1}})), "-1") << "as in the payloads: rounded down";
  EXPECT_EQ(Json(ToValue(kNoTime)), "null");
}

TEST_F(StateTest, TextsAreEscaped) {
  EXPECT_EQ(Json(ToValue("a\"b\\\n")), R"("a\"b\\\u000a")");
  EXPECT_EQ(Json(ToValue(Symbol{})), "\"\"");
}

TEST_F(StateTest, ArgumentsAreOneObject) {
  std::string out;
  AppendJsonObject(nullptr, 0, symbols_, out);
  EXPECT_EQ(out, "{}");
  const Arguments arguments = {{"minutes", 30}, {"why \"x\"", "tired"}, {"is_last", true}};
  out.clear();
  AppendJsonObject(arguments.begin(), arguments.size(), symbols_, out);
  EXPECT_EQ(out, R"({"minutes":30,"why \"x\"":"tired","is_last":true})");
}

}  // namespace
}  // namespace gemel::model
