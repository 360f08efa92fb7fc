#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/base/assert.h"
#include "gateway/base/symbols.h"
#include "gateway/sdk/arguments.hpp"
#include "gateway/twin/twin_message.h"
#include "tests/fuzz/entry.h"

namespace gemel::fuzz {

// What is read and written again is what was read.
int TwinMessage(const uint8_t* data, size_t size) {
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  twin::TwinMessageReader reader;
  if (!reader.Read(payload)) return 0;
  const gemel_twin_message& message = reader.message();
  const Symbols symbols;
  std::string again;
  twin::EncodeTwinMessage(ToView(message.model), ToView(message.id), ToView(message.name),
                          message.arguments, message.arguments_count, symbols, again);
  GEMEL_ASSERT(again == payload);
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::TwinMessage)
