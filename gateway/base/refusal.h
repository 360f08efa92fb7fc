#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace gemel {

// Why a message was not applied. The name is the level of its dead-letter topic and the label of
// `gemel_messages_refused_total`, so entries are only ever added.
enum class Refusal : uint8_t {
  kUnroutable,       // no route maps the topic
  kTopicInvalid,     // not UTF-8, too long, control characters
  kIdInvalid,        // no id, or one that is not allowed
  kPayloadTooLarge,  // over limits.payload_max
  kPayloadInvalid,   // not a document of the route's codec, or beyond its limits
  kFieldInvalid,     // a mapped field holds what its type can't
  kTimeInvalid,      // event time missing, unreadable or too far ahead
  kModelFailed,      // the model threw or returned an error
  kOverload,         // dropped by overload: "drop"
  kReplyInvalid,     // a command reply that is not the object of the contract
  kModelCrashed,     // the process ended twice while it was applied
  kAckInvalid,       // an acknowledgement or an answer of a device that is not as the contract says
  kCount,
};
inline constexpr size_t kRefusals = static_cast<size_t>(Refusal::kCount);

constexpr std::string_view RefusalName(Refusal refusal) {
  constexpr std::string_view kNames[] = {"unroutable",        "topic_invalid",   "id_invalid",
                                         "payload_too_large", "payload_invalid", "field_invalid",
                                         "time_invalid",      "model_failed",    "overload",
                                         "reply_invalid",     "model_crashed",   "ack_invalid"};
  static_assert(std::size(kNames) == kRefusals);
  return kNames[static_cast<size_t>(refusal)];
}

// A refusal and the sentence for the person who mends the device: which field, value, what is
// allowed.
struct Refused {
  Refusal reason = Refusal::kPayloadInvalid;
  std::string detail;
};

}  // namespace gemel
