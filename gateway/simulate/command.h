#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sdk/model.h"
#include "gateway/sdk/types.hpp"

namespace gemel::simulate {

// A command as it came on a device's command topic (schema/command.schema.json).
struct ReceivedCommand {
  std::string id;
  std::string name;
  Time expires = kNoTime;
  std::vector<gemel_argument> arguments;  // the scalars of "args"; their texts lie in `texts`
  std::vector<std::string> texts;

  ReceivedCommand() = default;
  // A copy's arguments would show into the original.
  ReceivedCommand(const ReceivedCommand&) = delete;
  ReceivedCommand& operator=(const ReceivedCommand&) = delete;
  ReceivedCommand(ReceivedCommand&&) = default;
  ReceivedCommand& operator=(ReceivedCommand&&) = default;
};

// Invalid if it is no JSON object with an id and a name. Arrays and objects among the arguments are
// left out: a device's interface has no place for them.
Result<ReceivedCommand> ParseCommand(std::string_view payload);

// The answer to it (schema/command_ack.schema.json): "successful" without a reason. `out` is
// overwritten.
void WriteAnswer(std::string_view id, std::string_view why_failed, std::string& out);

}  // namespace gemel::simulate
