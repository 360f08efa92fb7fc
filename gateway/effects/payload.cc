#include "gateway/effects/payload.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"

namespace gemel::effects {
namespace {

int64_t Milliseconds(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

void AppendBase64(std::string_view bytes, std::string& out) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < left ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (size_t digit = 0; digit < 4; ++digit) {
      out += digit <= left ? kDigits[group >> (18 - 6 * digit) & 63] : '=';
    }
  }
}

}  // namespace

void WriteCommand(const CommandText& command, std::string& out) {
  out.clear();
  fmt::format_to(std::back_inserter(out), R"({{"id":"{}","time_ms":{},"name":)",
                 FormatEffectId('c', command.id), Milliseconds(command.time));
  AppendJsonText(command.name, out);
  out += ",\"args\":";
  out += command.arguments;
  if (command.expires != kNoTime) {
    fmt::format_to(std::back_inserter(out), R"(,"expires_ms":{})", Milliseconds(command.expires));
  }
  out += '}';
}

std::string_view AlertStatusName(AlertStatus status) {
  constexpr std::array<std::string_view, 4> kNames = {"active_unacked", "active_acked",
                                                      "cleared_unacked", "cleared_acked"};
  return kNames[static_cast<size_t>(status)];
}

std::string_view SeverityName(uint32_t severity) {
  constexpr std::array<std::string_view, 5> kNames = {"critical", "major", "minor", "warning",
                                                      "info"};
  GEMEL_ASSERT(severity >= 1 && severity <= kNames.size());
  return kNames[severity - 1];
}

std::optional<uint32_t> SeverityNamed(std::string_view name) {
  for (uint32_t severity = GEMEL_CRITICAL; severity <= GEMEL_INFO; ++severity) {
    if (SeverityName(severity) == name) return severity;
  }
  return std::nullopt;
}

void WriteAlert(const AlertText& alert, std::string& out) {
  out.clear();
  fmt::format_to(std::back_inserter(out), R"({{"id":"{}","status":"{}","severity":"{}","model":)",
                 FormatEffectId('a', alert.id), AlertStatusName(alert.status),
                 SeverityName(alert.severity));
  AppendJsonText(alert.model, out);
  out += ",\"twin\":";
  AppendJsonText(alert.twin, out);
  out += ",\"code\":";
  AppendJsonText(alert.code, out);
  out += ",\"message\":";
  AppendJsonText(alert.message, out);
  fmt::format_to(std::back_inserter(out),
                 R"(,"time_ms":{},"first_ms":{},"last_ms":{},"count":{},"properties":)",
                 Milliseconds(alert.time), Milliseconds(alert.first), Milliseconds(alert.last),
                 alert.count);
  out += alert.properties;
  if (alert.acked != kNoTime) {
    out += ",\"acked_by\":";
    AppendJsonText(alert.acked_by, out);
    out += ",\"comment\":";
    AppendJsonText(alert.comment, out);
    fmt::format_to(std::back_inserter(out), R"(,"acked_ms":{})", Milliseconds(alert.acked));
  }
  out += '}';
}

void WriteDeadLetter(const DeadLetterText& letter, std::string& out) {
  out = "{\"topic\":";
  AppendJsonText(letter.topic, out);
  fmt::format_to(std::back_inserter(out), R"(,"time_ms":{},"payload_base64":")",
                 Milliseconds(letter.time));
  AppendBase64(letter.payload.substr(0, kDeadLetterPayloadBytesMax), out);
  out += "\",\"error\":";
  AppendJsonText(letter.error, out);
  if (letter.lsn) fmt::format_to(std::back_inserter(out), R"(,"lsn":{})", *letter.lsn);
  out += '}';
}

std::string DeadLetterTopic(std::string_view root, Refusal reason) {
  return fmt::format("{}/deadletter/{}", root, RefusalName(reason));
}

}  // namespace gemel::effects
