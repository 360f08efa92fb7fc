#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace gemel::support {

// The real data sets: GEMEL_DATA_DIR, or ../shared/data beside the source tree. Nothing if there
// are none: skip the test and say kNoData. Where CI=true a missing folder fails the test as well,
// so that a run that proves nothing can't pass.
//
//   const auto data = DataDir();
//   if (!data) GTEST_SKIP() << kNoData;
std::optional<std::filesystem::path> DataDir();

// The folder of one set, such as "capmetro_bus", by the same rules.
std::optional<std::filesystem::path> DataSet(std::string_view name);

inline constexpr std::string_view kNoData = "no data sets: set GEMEL_DATA_DIR";

}  // namespace gemel::support
