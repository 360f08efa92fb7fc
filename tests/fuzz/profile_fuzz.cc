#include <cstddef>
#include <string_view>

#include "gateway/base/assert.h"
#include "gateway/sdk/model.h"
#include "gateway/twin/profile_change.h"
#include "tests/fuzz/entry.h"

namespace gemel::fuzz {
namespace {

constexpr gemel_field ProfileField(const char* name, gemel_type type, uint32_t size) {
  return {.name = name,
          .unit = "",
          .meaning = "",
          .type = type,
          .source = GEMEL_FROM_PROFILE,
          .size = size,
          .time_offset = GEMEL_NO_OFFSET};
}

const gemel_field kProfileTable[] = {
    ProfileField("ok", GEMEL_BOOL, 1),      ProfileField("count", GEMEL_INT64, 8),
    ProfileField("level", GEMEL_DOUBLE, 8), ProfileField("made", GEMEL_TIME, 8),
    ProfileField("kind", GEMEL_SYMBOL, 4),  ProfileField("note", GEMEL_TEXT, 18),
};

}  // namespace

// What is read as a profile, and written into a record, is read out of it as the same.
int Profile(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(twin::DecodeProfileChange(text));
  nlohmann::json fields;
  if (twin::ReadProfileFields(text, kProfileTable, fields)) return 0;
  const auto change =
      twin::DecodeProfileChange(twin::EncodeProfileChange({.creates = true, .set = fields}));
  GEMEL_ASSERT(change && change->creates && change->set == fields);
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Profile)
