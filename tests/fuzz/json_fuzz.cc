#include "tests/fuzz/entry.h"
#include "tests/fuzz/flat.h"
#include "tests/fuzz/readers.h"

namespace gemel::fuzz {

int Json(const uint8_t* data, size_t size) {
  static Readers readers(codec::Codec::kJson);
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  readers.Read(payload);
  CheckFlat(payload);
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Json)
