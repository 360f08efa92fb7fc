#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/symbols.h"
#include "gateway/sdk/model.h"

namespace gemel::twin {

// A message from twin to twin as the payload of its record, byte by byte in journal/FORMAT.md.

// Appends it to `payload`. REQUIRES: names and ids of at most 255 bytes
void EncodeTwinMessage(std::string_view model, std::string_view id, std::string_view name,
                       const gemel_argument* arguments, size_t count, const Symbols& symbols,
                       std::string& payload);

// Reads such payloads. One thread; used again for each.
class TwinMessageReader {
 public:
  // False if it is no such payload. The message's texts are views of the payload, its arguments
  // live until the next call.
  bool Read(std::string_view payload);
  const gemel_twin_message& message() const { return message_; }

 private:
  gemel_twin_message message_{};
  std::vector<gemel_argument> arguments_;
};

}  // namespace gemel::twin
