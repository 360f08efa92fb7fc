#pragma once

#include <string_view>

namespace gemel {

// A place at which a test of recovery may have the process die, as by kill -9: the environment
// GEMEL_CRASH_AT=NAME:N ends it when the place of this name is passed for the Nth time. Without
// that it costs one load. The names are those that tests use, no contract.
namespace crash_point_internal {
extern const bool kIsArmed;
void Pass(std::string_view name) noexcept;
}  // namespace crash_point_internal

inline void CrashPoint(std::string_view name) noexcept {
  if (crash_point_internal::kIsArmed) [[unlikely]]
    crash_point_internal::Pass(name);
}

}  // namespace gemel
