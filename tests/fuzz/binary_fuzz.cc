#include "tests/fuzz/entry.h"
#include "tests/fuzz/readers.h"

namespace gemel::fuzz {

int Binary(const uint8_t* data, size_t size) {
  static Readers cbor(codec::Codec::kCbor);
  static Readers msgpack(codec::Codec::kMsgpack);
  static Readers text(codec::Codec::kText);
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  cbor.Read(payload);
  msgpack.Read(payload);
  text.Read(payload);
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Binary)
