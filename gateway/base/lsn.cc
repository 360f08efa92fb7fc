#include "gateway/base/lsn.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <charconv>
#include <cstring>

#include "gateway/base/assert.h"

namespace gemel {

std::string FormatEffectId(char kind, EffectId id) {
  return fmt::format("{}-{:x}-{}", kind, id.lsn, id.ordinal);
}

std::optional<EffectId> ParseEffectId(char kind, std::string_view text) {
  const size_t dash = text.rfind('-');
  if (text.size() < 2 || text[0] != kind || text[1] != '-' || dash == 1) return std::nullopt;
  EffectId id;
  const char* const end = text.data() + text.size();
  const auto lsn = std::from_chars(text.data() + 2, text.data() + dash, id.lsn, 16);
  const auto ordinal = std::from_chars(text.data() + dash + 1, end, id.ordinal);
  const bool is_one =
      lsn.ec == std::errc() && ordinal.ec == std::errc() && FormatEffectId(kind, id) == text;
  return is_one ? std::optional(id) : std::nullopt;
}

uint64_t HashKey(std::string_view model, std::string_view id) noexcept {
  // Names of models and ids are both short; joining them on the stack is faster than streaming.
  char key[kFieldNameBytesMax + 1 + kIdBytesMax];
  GEMEL_ASSERT(model.size() <= kFieldNameBytesMax && id.size() <= kIdBytesMax);
  std::memcpy(key, model.data(), model.size());
  key[model.size()] = '/';
  std::memcpy(key + model.size() + 1, id.data(), id.size());
  return XXH3_64bits(key, model.size() + 1 + id.size());
}

}  // namespace gemel
