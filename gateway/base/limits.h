#pragma once

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

// Every bound of the gateway in one place, each with its reason, checked against its neighbours.
// What an operator may want to change is a configuration key; its default stands here.
namespace gemel {

// Partitions are the unit of scale-out: a Kafka topic of this many partitions carries a fleet
// later.
inline constexpr uint32_t kPartitions = 64;
// A shard owns whole partitions, so there can't be more shards than those.
inline constexpr uint32_t kShardsMax = kPartitions;
static_assert(std::has_single_bit(kPartitions));

// A device id becomes a topic level, a key in SQL and a line in a log: longer ones are mistakes.
inline constexpr size_t kIdBytesMax = 128;
// Ids of this length or shorter lie inside the twin's header; longer ones cost an allocation.
inline constexpr size_t kIdBytesInline = 24;
static_assert(kIdBytesInline < kIdBytesMax);

// MQTT allows 65,535; nothing legitimate is near it, and a trie walk is linear in it.
inline constexpr size_t kTopicBytesMax = 4'096;
inline constexpr size_t kTopicLevelsMax = 32;

// Telemetry, before it is parsed; configurable by limits.payload_max.
inline constexpr size_t kPayloadBytesMaxDefault = 64 * 1'024;
inline constexpr size_t kPayloadDepthMax = 32;
inline constexpr size_t kPayloadMembersMax = 1'000;
inline constexpr size_t kPayloadKeyBytesMax = 128;
// Readings in one message: what an array of the smallest items in a payload of the default size
// holds.
inline constexpr size_t kItemsMax = 4'096;

// A field is a bit in per-message masks and a column in SQL.
inline constexpr size_t kFieldsMax = 256;
inline constexpr size_t kFieldNameBytesMax = 64;
// What names the meaning of a window's bytes: shown to people, so short.
inline constexpr size_t kLayoutBytesMax = 128;
// A twin's state is copied before every call of its model, to be able to undo the call.
inline constexpr size_t kStateBytesMax = 16 * 1'024;

// A script is written by a person.
inline constexpr size_t kScriptBytesMax = 1024 * 1'024;
// What a call of a script may do, about 10 ms of work, and bytes of one interpreter, tables
// included.
inline constexpr uint64_t kScriptInstructionsMax = 1'000'000;
inline constexpr size_t kScriptMemoryMax = size_t{64} * 1'024 * 1'024;

// Distinct interned texts in the process: few by definition of the type.
inline constexpr size_t kSymbolsMax = 65'536;
inline constexpr size_t kSymbolBytesMax = 128;

// Effects of one record; the rest are refused as a failure of the model.
inline constexpr size_t kEffectsPerRecordMax = 64;
// Timers that one twin can have armed; configurable by limits.timers_per_twin. Each is looked for
// in a list.
inline constexpr uint32_t kTimersPerTwinMaxDefault = 256;
// How far ahead a timer may be; what is further is a mistake of units.
inline constexpr std::chrono::hours kTimerMax{24 * 3'660};
// Messages that cause each other, before the chain is cut: a hierarchy has few levels.
inline constexpr uint16_t kMessageDepthMax = 16;
// Alerts that one twin can have active at a time.
inline constexpr size_t kAlertsPerTwinMax = 64;
// And that it remembers, over and not acknowledged: the oldest makes room.
inline constexpr size_t kClearedAlertsPerTwinMax = 64;
// Of who acknowledges an alert, and of what they say.
inline constexpr size_t kAckByBytesMax = 128;
inline constexpr size_t kAckCommentBytesMax = 1'024;
inline constexpr size_t kCommandBytesMax = 64 * 1'024;
// Commands of one twin that wait for an answer: the oldest makes room.
inline constexpr size_t kOpenCommandsPerTwinMax = 64;
// Of why a device could not do what it was told.
inline constexpr size_t kCommandReasonBytesMax = 1'024;
inline constexpr size_t kAlertMessageBytesMax = 1'024;

// Bytes of records waiting for one shard; a power of two because the ring masks its index.
inline constexpr size_t kMailboxBytes = 8 * 1'024 * 1'024;
static_assert(std::has_single_bit(kMailboxBytes));
static_assert(kMailboxBytes >= 16 * kPayloadBytesMaxDefault);

// Effects that wait for one sink, the broker or a webhook; configurable by outbox.size.
inline constexpr size_t kOutboxBytesMax = 64 * 1'024 * 1'024;
// POSTs to one webhook at once: what hides a round trip, and what a small receiver still stands.
inline constexpr size_t kWebhookInFlightMax = 8;
// Each has connections, threads of a resolver and a row a waiting alert.
inline constexpr size_t kWebhooksMax = 32;

// What a dead letter carries of the payload.
inline constexpr size_t kDeadLetterPayloadBytesMax = 4'096;

// Devices whose clock is further ahead than this would make all their later messages late.
inline constexpr std::chrono::hours kEventTimeAheadMax{24};

}  // namespace gemel
