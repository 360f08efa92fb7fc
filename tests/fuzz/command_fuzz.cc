#include <cstddef>
#include <string>
#include <string_view>

#include "gateway/base/assert.h"
#include "gateway/twin/command.h"
#include "tests/fuzz/entry.h"

namespace gemel::fuzz {

// What is read as an answer of a device or as a person's command, and written again, is read as the
// same.
int Command(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto reply = twin::ReadCommandReply(text); reply.ok()) {
    const auto again = twin::ReadCommandReply(twin::EncodeCommandReply(*reply));
    GEMEL_ASSERT(again.ok() && again->command == reply->command);
    GEMEL_ASSERT(again->is_successful == reply->is_successful && again->reason == reply->reason);
  }
  if (const auto order = twin::ReadOrder(text); order.ok()) {
    const auto again = twin::ReadOrder(twin::EncodeOrder(*order));
    GEMEL_ASSERT(again.ok() && again->name == order->name);
    GEMEL_ASSERT(again->arguments == order->arguments && again->lifetime == order->lifetime);
  }
  return 0;
}

}  // namespace gemel::fuzz

GEMEL_FUZZ_ENTRY(gemel::fuzz::Command)
