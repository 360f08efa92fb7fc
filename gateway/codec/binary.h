#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/refusal.h"
#include "gateway/codec/field_map.h"

// CBOR (RFC 8949) and MessagePack as JSON text, so that one reader serves all: binary codecs pay
// for that with time, and nobody with a second set of rules. As RFC 8949, 6.1 advises: bytes become
// base64url text, undefined and unknown simple values null; integers serve as keys ("7"), tags are
// passed over. Memory stays within a small multiple of the payload, whatever lengths it claims.
//
// nlohmann's reader was tried and left: on CBOR texts nested into each other, which no document
// needs, it recurses once a byte and no callback can stop it.
namespace gemel::codec {

// Overwrites `json` with one whole document. Refused unless the payload is one whole value within
// kPayloadDepthMax, with texts in UTF-8 and numbers that JSON can write. Members and keys are
// judged by who reads the JSON. REQUIRES: codec is kCbor or kMsgpack
std::optional<Refused> ToJson(Codec codec, std::string_view payload, std::string& json);

}  // namespace gemel::codec
