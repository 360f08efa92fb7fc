#include "gateway/base/lsn.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "gateway/base/assert.h"

namespace gemel {

std::string FormatEffectId(char kind, EffectId id) {
  return fmt::format("{}-{:x}-{}", kind, id.lsn, id.ordinal);
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
