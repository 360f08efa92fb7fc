#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/lsn.h"
#include "gateway/sdk/types.hpp"

namespace gemel::journal {

// What can change a twin. The numbers are written to disk, so entries are only added.
enum class RecordKind : uint16_t {
  kTelemetry = 1,
  kCommandReply = 2,       // of a device; `payload` is JSON, see twin/command.h
  kAlertAcknowledged = 3,  // `payload` is JSON, see twin/acknowledgement.h
  kOperatorCommand = 4,    // of a person to a device; `payload` is JSON, see twin/command.h
  // Of no twin: `id` names a webhook, `payload` lists what became of effects, see EncodeOutcomes.
  kEffectOutcome = 6,
  kEffectsSent = 7,  // of no twin: `payload` lists the effects that are done with, see EncodeSent
  kProfileChanged = 8,  // `payload` is JSON, see twin/profile_change.h
  kTwinDeleted = 12,
  kTwinPut = 13,  // `payload` is a line of `gemel export`, in the place of what was known
  kSkipped = 14,  // of no twin: `payload` lists records that are not applied, see FindSkipped
  kLost = 15,     // of no twin: `payload` lists what a repair had to leave out, see JournalRepair
  // Derived: caused by a record before it, see Record::cause.
  kTimer = 32,  // is due; `payload` is its name, the event time when it was due
  // The same, and the model is not told: the process ended twice while it was.
  kTimerMissed = 33,
  kSilent = 34,       // nothing has come of the twin for too long; the event time is since when
  kTwinMessage = 35,  // of another twin, see twin/twin_message.h
  kTwinRemoved = 36,  // as kTwinDeleted, by a model
  kCommandsDue = 37,  // a command's time is over; the event time is when
};

// Whether a record of this kind has a cause.
constexpr bool IsDerived(RecordKind kind) {
  return kind >= RecordKind::kTimer && kind <= RecordKind::kCommandsDue;
}
// Whether the record that caused it wrote it, so that the same one is made again in a replay.
constexpr bool IsSentByTwin(RecordKind kind) {
  return kind == RecordKind::kTwinMessage || kind == RecordKind::kTwinRemoved;
}

// Whether a record of this kind is of a twin, and so of a shard; others name no model and pass
// through no mailbox.
constexpr bool IsOfTwin(RecordKind kind) {
  return kind != RecordKind::kEffectOutcome && kind != RecordKind::kEffectsSent &&
         kind != RecordKind::kSkipped && kind != RecordKind::kLost;
}

// How the route recognises a repeated message.
enum class RepeatKey : uint8_t { kNone, kMessageId, kSequence };

// Of a field that the model had when the record was written, and has no more.
inline constexpr uint16_t kNoField = UINT16_MAX;

// A symbol that intake interned: of the payload or of the topic.
struct RecordSymbol {
  uint16_t field = 0;
  uint16_t is_refused = 0;  // the symbol table was full; every replay reads it as null
  uint32_t number = 0;
};

// A segment of the topic that fills a field of another type than symbol.
struct RecordCapture {
  uint16_t field = 0;
  std::string_view text;
};

// One reading of one twin, resolved: replay never routes again. A view: whoever holds the bytes
// owns them.
struct Record {
  Lsn lsn = kNoLsn;
  RecordKind kind = RecordKind::kTelemetry;
  uint16_t model = 0;
  uint16_t route = 0;
  uint8_t codec = 0;  // codec::Codec of payload
  RepeatKey repeat = RepeatKey::kNone;
  uint32_t item = 0;
  uint64_t key_hash = 0;      // of "model/id"
  Time record_time{};         // assigned by the sequencer
  Time event_time = kNoTime;  // kNoTime: take record_time
  uint64_t repeat_key = 0;    // hash of the message id, or the sequence number
  // Of a derived record: the record that caused it, and the place among what that one did. Stands
  // where others have repeat_key and item.
  EffectId cause;
  uint16_t depth = 0;  // how many of its causes were sent by twins, itself included
  std::string_view id;
  std::string_view payload;
  std::string_view outer;
  std::span<const RecordSymbol> symbols;
  std::span<const RecordCapture> captures;
};

// A derived record with its texts.
class OwnedRecord {
 public:
  // REQUIRES: IsDerived(from.kind); such a record has neither symbols nor captures
  explicit OwnedRecord(const Record& from);
  Record view() const;

 private:
  Record record_;  // its views are not valid
  std::string id_;
  std::string payload_;
};

// Parsers of payloads may read (not use) this far behind the end of a record.
inline constexpr size_t kReadAhead = 64;

// Bytes that Encode writes, kReadAhead of them behind the record.
size_t EncodedSize(const Record& record);
// Writes the record to `to`. REQUIRES: EncodedSize(record) bytes, 8-byte aligned.
void Encode(const Record& record, std::byte* to);
// Whether a RecordView may look at these bytes, which came from outside: all that it reads lies in
// them. REQUIRES: 8-byte aligned
bool IsRecord(std::span<const std::byte> bytes);

// The payload of a kEffectsSent record: effects that the broker has acknowledged, or that were
// given up for good.
void EncodeSent(std::span<const EffectId> effects, std::string& payload);
// Calls visit(id) for each.
template <typename Visit>
void ForEachSent(std::string_view payload, const Visit& visit) {
  uint64_t words[2];
  for (; payload.size() >= sizeof words; payload.remove_prefix(sizeof words)) {
    __builtin_memcpy(words, payload.data(), sizeof words);
    visit(EffectId{words[0], static_cast<uint32_t>(words[1])});
  }
}

// How an effect ended at a webhook. The numbers are written to disk.
enum class EffectOutcome : uint32_t {
  kDelivered = 1,
  kFailed = 2,   // the webhook's answer was that it will never take it
  kExpired = 3,  // not delivered within its retry_for
  kDropped = 4,  // to make room for newer ones
};
struct EndedEffect {
  EffectId id;
  EffectOutcome outcome = EffectOutcome::kDelivered;
  bool operator==(const EndedEffect&) const = default;
};

// The payload of a kEffectOutcome record.
void EncodeOutcomes(std::span<const EndedEffect> effects, std::string& payload);
// Calls visit(EndedEffect) for each.
template <typename Visit>
void ForEachOutcome(std::string_view payload, const Visit& visit) {
  uint64_t lsn = 0;
  uint32_t words[2];
  constexpr size_t kSize = sizeof lsn + sizeof words;
  for (; payload.size() >= kSize; payload.remove_prefix(kSize)) {
    __builtin_memcpy(&lsn, payload.data(), sizeof lsn);
    __builtin_memcpy(words, payload.data() + sizeof lsn, sizeof words);
    visit(EndedEffect{{lsn, words[0]}, static_cast<EffectOutcome>(words[1])});
  }
}

// A record read in place. Captures are walked, because their texts have no fixed size.
class RecordView {
 public:
  // REQUIRES: `bytes` were written by Encode.
  explicit RecordView(std::span<const std::byte> bytes);

  Lsn lsn() const { return fixed_->lsn; }
  RecordKind kind() const { return static_cast<RecordKind>(fixed_->kind); }
  uint16_t model() const { return fixed_->model; }
  uint16_t route() const { return fixed_->route; }
  uint8_t codec() const { return fixed_->codec; }
  RepeatKey repeat() const { return static_cast<RepeatKey>(fixed_->repeat); }
  uint32_t item() const { return fixed_->item; }
  uint64_t key_hash() const { return fixed_->key_hash; }
  uint64_t repeat_key() const { return fixed_->repeat_key; }
  // REQUIRES: IsDerived(kind())
  EffectId cause() const { return {fixed_->repeat_key, fixed_->item}; }
  uint16_t depth() const { return fixed_->depth; }
  Time record_time() const { return Time{Duration{fixed_->record_time_us}}; }
  Time event_time() const {
    return Time{Duration{fixed_->event_time_us == GEMEL_NO_TIME ? fixed_->record_time_us
                                                                : fixed_->event_time_us}};
  }
  std::string_view id() const { return {text_, fixed_->id_size}; }
  std::string_view payload() const {
    return {text_ + fixed_->payload_offset, fixed_->payload_size};
  }
  std::string_view outer() const { return {text_ + fixed_->outer_offset, fixed_->outer_size}; }
  std::span<const RecordSymbol> symbols() const { return {symbols_, fixed_->symbols}; }
  // Calls visit(field, text) for each capture.
  template <typename Visit>
  void ForEachCapture(const Visit& visit) const {
    const char* at = text_ + fixed_->captures_offset;
    for (uint16_t i = 0; i < fixed_->captures; ++i) {
      uint16_t head[2];
      __builtin_memcpy(head, at, sizeof head);
      visit(head[0], std::string_view{at + sizeof head, head[1]});
      at += sizeof head + head[1];
    }
  }

 private:
  friend size_t EncodedSize(const Record& record);
  friend void Encode(const Record& record, std::byte* to);
  friend bool IsRecord(std::span<const std::byte> bytes);
  friend class Translation;
  // The part of fixed size; the symbols follow it, then the texts.
  struct Fixed {
    uint64_t lsn;
    uint64_t key_hash;
    int64_t record_time_us;
    int64_t event_time_us;
    uint64_t repeat_key;
    uint16_t kind;
    uint16_t model;
    uint16_t route;
    uint8_t codec;
    uint8_t repeat;
    uint32_t item;
    uint16_t id_size;
    uint16_t symbols;
    uint16_t captures;
    uint16_t depth;
    uint32_t captures_offset;  // offsets are from the first text
    uint32_t payload_offset;
    uint32_t payload_size;
    uint32_t outer_offset;
    uint32_t outer_size;
  };
  static_assert(sizeof(Fixed) == 80);

  const Fixed* fixed_;
  const RecordSymbol* symbols_;
  const char* text_;
};

}  // namespace gemel::journal
