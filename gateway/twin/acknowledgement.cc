#include "gateway/twin/acknowledgement.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/quote.h"
#include "gateway/effects/payload.h"
#include "gateway/sdk/model.h"

namespace gemel::twin {
namespace {

using nlohmann::json;

// False if the object holds something else of this name.
bool TakeText(const json& object, const char* name, std::string& text) {
  const auto found = object.find(name);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  text = found->get<std::string>();
  return true;
}

// False if the object holds another text or something else of this name.
bool TakeSeverity(const json& object, std::optional<uint32_t>& severity) {
  std::string name;
  if (!TakeText(object, "severity", name)) return false;
  if (!object.contains("severity")) return true;
  severity = effects::SeverityNamed(name);
  return severity.has_value();
}

}  // namespace

std::optional<std::string> CheckAck(const AckText& ack) {
  if (ack.by.empty() || ack.by.size() > kAckByBytesMax) {
    return fmt::format("by: {} bytes; who acknowledges must be named, in 1 to {} bytes",
                       ack.by.size(), kAckByBytesMax);
  }
  if (ack.comment.size() > kAckCommentBytesMax) {
    return fmt::format("comment: {} bytes; {} are allowed", ack.comment.size(),
                       kAckCommentBytesMax);
  }
  return std::nullopt;
}

Result<AckText> ReadAckText(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Invalid(R"(no JSON object, like {"by":"anna","comment":"seen"})");
  for (const auto& item : object.items()) {
    if (item.key() != "by" && item.key() != "comment" && item.key() != "severity")
      return Invalid(
          fmt::format("{}: no such member; by, comment and severity are", Quote(item.key())));
  }
  AckText ack;
  if (!TakeText(object, "by", ack.by)) return Invalid("by: no text");
  if (!TakeText(object, "comment", ack.comment)) return Invalid("comment: no text");
  if (!TakeSeverity(object, ack.severity))
    return Invalid("severity: none of critical, major, minor, warning, info");
  if (auto wrong = CheckAck(ack)) return Invalid(*std::move(wrong));
  return ack;
}

std::string EncodeAck(const AckOfAlert& ack) {
  std::string payload = R"({"alert":")" + FormatEffectId('a', ack.alert) + R"(","by":)";
  AppendJsonText(ack.text.by, payload);
  payload += R"(,"comment":)";
  AppendJsonText(ack.text.comment, payload);
  if (ack.text.severity)
    payload += fmt::format(R"(,"severity":"{}")", effects::SeverityName(*ack.text.severity));
  payload += '}';
  return payload;
}

std::optional<AckOfAlert> DecodeAck(std::string_view payload) {
  const json object = json::parse(payload, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  std::string id;
  AckOfAlert ack;
  const bool is_whole = TakeText(object, "alert", id) && TakeText(object, "by", ack.text.by) &&
                        TakeText(object, "comment", ack.text.comment) &&
                        TakeSeverity(object, ack.text.severity);
  const auto alert = ParseEffectId('a', id);
  if (!is_whole || !alert) return std::nullopt;
  ack.alert = *alert;
  return ack;
}

}  // namespace gemel::twin
