#include "gateway/base/time_text.h"

#include <chrono>

#include <fmt/format.h>

#include "gateway/base/assert.h"

namespace gemel {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What is left of a text that is read from the front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool is_at_end() const { return rest_.empty(); }

  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // A number of exactly so many digits.
  std::optional<int> Digits(size_t count) {
    if (rest_.size() < count) return std::nullopt;
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (!IsDigit(rest_[i])) return std::nullopt;
      value = 10 * value + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }

  // The digits of a fraction, at least one, as microseconds.
  std::optional<microseconds> Fraction() {
    int value = 0;
    size_t digits = 0;
    for (; digits < rest_.size() && IsDigit(rest_[digits]); ++digits) {
      if (digits < 6) value = 10 * value + (rest_[digits] - '0');
    }
    if (digits == 0) return std::nullopt;
    for (size_t i = digits; i < 6; ++i) value *= 10;
    rest_.remove_prefix(digits);
    return microseconds(value);
  }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::sys_days> Date(Cursor& cursor) {
  const auto year = cursor.Digits(4);
  if (!year || !cursor.Take('-')) return std::nullopt;
  const auto month = cursor.Digits(2);
  if (!month || !cursor.Take('-')) return std::nullopt;
  const auto day = cursor.Digits(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year{*year},
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

struct TimeOfDay {
  microseconds since_midnight{0};
  bool is_leap_second = false;
};

std::optional<TimeOfDay> Clock(Cursor& cursor) {
  const auto hour = cursor.Digits(2);
  if (!hour || *hour > 23 || !cursor.Take(':')) return std::nullopt;
  const auto minute = cursor.Digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  TimeOfDay time{.since_midnight = hours(*hour) + minutes(*minute)};
  if (!cursor.Take(':')) return time;
  const auto second = cursor.Digits(2);
  if (!second || *second > 60) return std::nullopt;
  time.is_leap_second = *second == 60;
  if (cursor.Take('.') || cursor.Take(',')) {
    const auto fraction = cursor.Fraction();
    if (!fraction) return std::nullopt;
    time.since_midnight += *fraction;
  }
  if (time.is_leap_second) {
    time.since_midnight = hours(*hour) + minutes(*minute + 1) - microseconds(1);
  } else {
    time.since_midnight += seconds(*second);
  }
  return time;
}

// How far the zone is ahead of UTC; none is UTC.
std::optional<microseconds> Zone(Cursor& cursor) {
  if (cursor.is_at_end() || cursor.Take('Z') || cursor.Take('z')) return microseconds(0);
  const bool is_ahead = cursor.Take('+');
  if (!is_ahead && !cursor.Take('-')) return std::nullopt;
  const auto hour = cursor.Digits(2);
  if (!hour || *hour > 23) return std::nullopt;
  int minute = 0;
  if (!cursor.is_at_end()) {
    cursor.Take(':');
    const auto given = cursor.Digits(2);
    if (!given || *given > 59) return std::nullopt;
    minute = *given;
  }
  const microseconds offset = hours(*hour) + minutes(minute);
  return is_ahead ? offset : -offset;
}

}  // namespace

std::optional<int64_t> ParseIsoTime(std::string_view text) {
  Cursor cursor(text);
  const auto date = Date(cursor);
  if (!date) return std::nullopt;
  microseconds time = date->time_since_epoch();
  if (cursor.Take('T') || cursor.Take('t') || cursor.Take(' ')) {
    const auto clock = Clock(cursor);
    if (!clock) return std::nullopt;
    const auto zone = Zone(cursor);
    if (!zone) return std::nullopt;
    time += clock->since_midnight - *zone;
    // Leap seconds end a day of UTC, so what is left of it is the microsecond that we stay in.
    const auto left = days(1) - (time - std::chrono::floor<days>(time));
    if (clock->is_leap_second && left != microseconds(1)) return std::nullopt;
  }
  if (!cursor.is_at_end()) return std::nullopt;
  if (time.count() < kTimeMinUs || time.count() > kTimeMaxUs) return std::nullopt;
  return time.count();
}

std::string FormatIsoTime(int64_t us) {
  GEMEL_ASSERT(us >= kTimeMinUs && us <= kTimeMaxUs);
  const microseconds time(us);
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  const int64_t fraction = clock.subseconds().count();
  if (fraction % 1'000 != 0) {
    text += fmt::format(".{:06}", fraction);
  } else if (fraction != 0) {
    text += fmt::format(".{:03}", fraction / 1'000);
  }
  return text + 'Z';
}

}  // namespace gemel
