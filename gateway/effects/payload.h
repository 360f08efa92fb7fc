#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/base/refusal.h"
#include "gateway/sdk/types.hpp"

namespace gemel::effects {

// Writes the payloads of the contracts (schema/*.schema.json). `out` is overwritten; `arguments`
// and `properties` are JSON objects.

struct CommandText {
  EffectId id;
  Time time;
  std::string_view name;
  std::string_view arguments;
  Time expires = kNoTime;
};
void WriteCommand(const CommandText& command, std::string& out);

enum class AlertStatus : uint8_t { kActiveUnacked, kActiveAcked, kClearedUnacked, kClearedAcked };
std::string_view AlertStatusName(AlertStatus status);
// REQUIRES: a gemel_severity.
std::string_view SeverityName(uint32_t severity);
// And back; nothing if none is called so.
std::optional<uint32_t> SeverityNamed(std::string_view name);

struct AlertText {
  EffectId id;  // of the record that raised it
  AlertStatus status = AlertStatus::kActiveUnacked;
  uint32_t severity = 0;
  std::string_view model;
  std::string_view twin;
  std::string_view code;
  std::string_view message;
  Time time;   // of this change
  Time first;  // raised
  Time last;   // raised again
  int64_t count = 1;
  std::string_view properties;
  // If it is acknowledged.
  std::string_view acked_by = {};
  std::string_view comment = {};
  Time acked = kNoTime;
};
void WriteAlert(const AlertText& alert, std::string& out);

struct DeadLetterText {
  std::string_view topic;
  Time time;
  std::string_view payload;  // cut at kDeadLetterPayloadBytesMax
  std::string_view error;
  std::optional<Lsn> lsn;
};
void WriteDeadLetter(const DeadLetterText& letter, std::string& out);

// The dead letter's topic: gemel/deadletter/{reason}.
std::string DeadLetterTopic(std::string_view root, Refusal reason);

}  // namespace gemel::effects
