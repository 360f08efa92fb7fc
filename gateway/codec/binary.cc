#include "gateway/codec/binary.h"

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/codec/binary_reader.h"

namespace gemel::codec {

std::optional<Refused> ToJson(Codec codec, std::string_view payload, std::string& json) {
  GEMEL_ASSERT(codec == Codec::kCbor || codec == Codec::kMsgpack);
  json.clear();
  if (payload.empty()) return Refused{Refusal::kPayloadInvalid, "empty payload"};
  BinaryReader reader(payload, json);
  const bool is_cbor = codec == Codec::kCbor;
  const bool is_read = is_cbor ? ReadCbor(reader, 0) : ReadMsgpack(reader, 0);
  if (is_read && reader.is_at_end()) return std::nullopt;
  const std::string_view why = is_read ? "something follows its end" : reader.error();
  return Refused{
      Refusal::kPayloadInvalid,
      fmt::format("no {}: {} at byte {}", is_cbor ? "CBOR" : "MessagePack", why, reader.offset())};
}

}  // namespace gemel::codec
