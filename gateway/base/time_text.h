#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Points in time as text. Microseconds since the Unix epoch; independent of locale and time zone.
namespace gemel {

// Years 1 to 9999: what four digits write, and what every database and language can read back.
inline constexpr int64_t kTimeMinUs = -62'135'596'800'000'000;  // 0001-01-01T00:00:00Z
inline constexpr int64_t kTimeMaxUs = 253'402'300'799'999'999;  // 9999-12-31T23:59:59.999999Z

// RFC 3339, and what of ISO 8601 devices write: "2024-03-01T10:00:00.5+01:00", with a blank for the
// T, without seconds, the date alone, "+0100", "+01". Without a zone it is UTC. A fraction is cut
// to microseconds. Nothing for a date or time that does not exist; a leap second counts as the last
// microsecond before it.
std::optional<int64_t> ParseIsoTime(std::string_view text);

// "2024-03-01T09:00:00Z", with three or six digits of fraction where there is one.
// REQUIRES: kTimeMinUs <= us <= kTimeMaxUs
std::string FormatIsoTime(int64_t us);

}  // namespace gemel
