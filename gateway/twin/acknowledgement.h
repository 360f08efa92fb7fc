#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"

namespace gemel::twin {

// What a person says of an alert.
struct AckText {
  std::string by;
  std::string comment;
  // A gemel_severity: the worst that they have seen, so an alert that is worse by then is not
  // meant.
  std::optional<uint32_t> severity = {};
};

// Reads {"by":"…","comment":"…","severity":"major"}; all but the first may be missing. Invalid,
// naming what is wrong.
Result<AckText> ReadAckText(std::string_view json);
// What is wrong with it, as a sentence; nothing if it may be recorded.
std::optional<std::string> CheckAck(const AckText& ack);

// The payload of a record that acknowledges an alert of its twin: what was read, and which alert.
struct AckOfAlert {
  EffectId alert;
  AckText text;
};
std::string EncodeAck(const AckOfAlert& ack);
// Nothing if it is nothing that was written so.
std::optional<AckOfAlert> DecodeAck(std::string_view payload);

}  // namespace gemel::twin
