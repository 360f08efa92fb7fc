#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/base/status.h"
#include "gateway/sdk/types.hpp"

namespace gemel::twin {

// A command that waits for its device's answer.
struct Command {
  EffectId id;
  uint16_t route = 0;  // on which it went out and is answered
  uint32_t sent = 1;   // how many times
  std::string name;
  std::string arguments;  // JSON object
  Time decided;
  Time last_sent;
  Time expires = kNoTime;
};

// How it stands with a command of a route that has a command_ack. The numbers count, see
// ModelStats.
enum class CommandStatus : uint8_t {
  kSent,        // and perhaps again
  kSuccessful,  // the device says so
  kFailed,      // the device says so
  kExpired,     // nobody has answered before it expired
  kTimeout,     // it never expires, and nobody has answered for command_timeout
};
inline constexpr size_t kCommandStatuses = 5;
std::string_view CommandStatusName(CommandStatus status);
// And back; nothing if none is called so.
std::optional<CommandStatus> CommandStatusNamed(std::string_view name);

// What a device says of a command.
struct CommandReply {
  EffectId command;
  bool is_successful = false;
  std::string reason;  // at most kCommandReasonBytesMax bytes
};

// Reads {"id":"c-1a2b-0","status":"failed","reason":"…"} (schema/command_ack.schema.json), and cuts
// a reason that is too long. Other members are a device's own business. Invalid, naming what is
// wrong.
Result<CommandReply> ReadCommandReply(std::string_view json);
// What ReadCommandReply reads.
std::string EncodeCommandReply(const CommandReply& reply);

// What a person tells a device.
struct Order {
  std::string name;
  std::string arguments;  // JSON object
  Duration lifetime{0};   // zero: it never expires
};

// Reads {"name":"rest","args":{"minutes":30},"expires":"10m"}; all but the name may be missing.
// Invalid, naming what is wrong.
Result<Order> ReadOrder(std::string_view json);
// What ReadOrder reads.
std::string EncodeOrder(const Order& order);

struct CommandChange {
  CommandStatus status = CommandStatus::kSent;
  std::string_view model;
  std::string_view twin;
  Time time;                // of this change
  std::string_view reason;  // of a failure
};
// Writes what has become of a command as JSON (schema/command_change.schema.json); `out` is
// overwritten.
void WriteCommandChange(const Command& command, const CommandChange& change, std::string& out);

}  // namespace gemel::twin
