#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/http/api.h"

namespace gemel::http {

inline constexpr size_t kWhyRecordsDefault = 10;
inline constexpr size_t kWhyRecordsMax = 1'000;
inline constexpr size_t kListLimitDefault = 1'000;
inline constexpr size_t kListLimitMax = 100'000;
// Of states copied for one list. A list of large twins ends earlier than its limit by it.
inline constexpr size_t kListStateBytesMax = size_t{64} << 20;

// A page of a model's twins, ordered by id.
struct TwinPage {
  std::string json;  // [{"id":…,<field>:…,"age_ms":…}]
  // Of the page's last twin, if there are more behind it.
  std::optional<std::string> next_after;
};

// The twins whose id is above `after`. Waits for shards. REQUIRES: 1 <= limit <= kListLimitMax
TwinPage ListTwins(const Sources& sources, uint16_t model, size_t limit, std::string_view after);

// {"id","model","state","profile","alerts","timers","age_ms","applied_lsn"}, or nothing if there is
// no such twin. Waits for a shard.
std::optional<std::string> GetTwin(const Sources& sources, uint16_t model, std::string_view id);

// [{"name","meaning","twins","fields":[{"name","type","unit","meaning","source","choices"}]}];
// a window has "layout" and "bytes" in place of "choices".
std::string ListModels(const Sources& sources);

}  // namespace gemel::http
