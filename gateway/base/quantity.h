#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/status.h"

// Durations and sizes as people write them in the configuration and on the command line.
namespace gemel {

// "60s", "1500ms", "2h": a whole number and one unit of us, ms, s, m (or min), h, d. Invalid for
// anything else, a bare number and a sign included, and for more than 292,000 years.
Result<std::chrono::microseconds> ParseDuration(std::string_view text);

// "64KiB", "256MiB": a whole number and one unit of B, KiB, MiB, GiB, TiB. Invalid for anything
// else, a bare number included, and for 2^63 bytes or more.
Result<uint64_t> ParseSize(std::string_view text);

// The shortest text that the parsers read back as the same value: "90s", "2h", "64KiB".
// REQUIRES: duration >= 0
std::string FormatDuration(std::chrono::microseconds duration);
std::string FormatSize(uint64_t bytes);

}  // namespace gemel
