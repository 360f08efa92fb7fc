#include "gateway/base/quantity.h"

#include <charconv>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "gateway/base/assert.h"

namespace gemel {
namespace {

struct Suffix {
  std::string_view name;
  int64_t scale;
};

// Ascending, a synonym after the name that Format writes.
constexpr Suffix kDurations[] = {
    {"us", 1},           {"ms", 1'000},        {"s", 1'000'000},      {"m", 60'000'000},
    {"min", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000},
};
constexpr Suffix kSizes[] = {
    {"B", 1},
    {"KiB", int64_t{1} << 10},
    {"MiB", int64_t{1} << 20},
    {"GiB", int64_t{1} << 30},
    {"TiB", int64_t{1} << 40},
};
// What a message repeats of a wrong text.
constexpr size_t kShownBytesMax = 40;

std::optional<int64_t> Read(std::string_view text, std::span<const Suffix> units) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;  // no sign
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name(rest, static_cast<size_t>(end - rest));
  for (const Suffix& unit : units) {
    if (unit.name != name) continue;
    int64_t product = 0;
    if (__builtin_mul_overflow(number, unit.scale, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

std::string Write(int64_t value, std::span<const Suffix> units) {
  const Suffix* best = &units.front();
  for (const Suffix& unit : units) {
    if (value != 0 && value % unit.scale == 0 && unit.scale > best->scale) best = &unit;
  }
  return fmt::format("{}{}", value / best->scale, best->name);
}

// One line, whatever was given: it goes into messages.
std::string Shown(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, kShownBytesMax)) {
    shown += c < ' ' || c > '~' || c == '"' ? '?' : c;
  }
  return text.size() > kShownBytesMax ? shown + "..." : shown;
}

}  // namespace

Result<std::chrono::microseconds> ParseDuration(std::string_view text) {
  if (const auto value = Read(text, kDurations)) return std::chrono::microseconds(*value);
  return Invalid(fmt::format(
      "\"{}\" is no duration; a whole number with a unit of us, ms, s, m, h or d, like \"1500ms\"",
      Shown(text)));
}

Result<uint64_t> ParseSize(std::string_view text) {
  if (const auto value = Read(text, kSizes)) return static_cast<uint64_t>(*value);
  return Invalid(fmt::format(
      "\"{}\" is no size; a whole number with a unit of B, KiB, MiB, GiB or TiB, like \"64KiB\"",
      Shown(text)));
}

std::string FormatDuration(std::chrono::microseconds duration) {
  GEMEL_ASSERT(duration.count() >= 0);
  return Write(duration.count(), kDurations);
}

std::string FormatSize(uint64_t bytes) {
  GEMEL_ASSERT(bytes <= static_cast<uint64_t>(INT64_MAX));
  return Write(static_cast<int64_t>(bytes), kSizes);
}

}  // namespace gemel
