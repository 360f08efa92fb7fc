#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/refusal.h"
#include "gateway/base/status.h"
#include "gateway/codec/field_map.h"

namespace gemel::codec {

// Which parts of a payload intake must know before the twin is found; JSON pointers, nothing if
// unused. With `items` the others are relative to an item, "^/..." is relative to the whole
// message. Items "" or "." means that the message itself is the array.
struct EnvelopeSpec {
  Codec codec = Codec::kJson;
  std::optional<std::string> id;
  std::optional<std::string> time;
  TimeFormat time_format = TimeFormat::kMilliseconds;
  std::optional<std::string> message_id;
  std::optional<std::string> sequence;
  std::optional<std::string> items;
};

struct SymbolText {
  uint16_t field = 0;  // index in the model's table
  std::string_view text;
};

// One reading of a message, as intake needs it. Views live until the next Read.
struct Reading {
  uint32_t item = 0;
  std::string_view id;                         // raw, not yet checked; empty if the spec names none
  std::optional<int64_t> time_us;              // event time, if the spec names it
  std::optional<std::string_view> message_id;  // as text, numbers too; none if missing, null or ""
  std::optional<int64_t> sequence;
  uint32_t first_symbol = 0;  // into EnvelopeReader::symbols()
  uint32_t symbols = 0;
  Codec codec = Codec::kJson;  // of `payload`: items of binary messages become JSON
  std::string_view payload;    // the whole message, or one item; not padded
  std::string_view outer;      // JSON object of what "^/" fields read, "" if there are none
};

// A compiled spec. Immutable, so safe from any thread.
class Envelope {
 public:
  // The field map says which symbols to read; it is not needed afterwards. Invalid if a pointer is
  // malformed, or if there is one though the codec is text.
  static Result<Envelope> Compile(const EnvelopeSpec& spec, const FieldMap& map);
  Envelope(Envelope&&) noexcept;
  Envelope& operator=(Envelope&&) noexcept;
  ~Envelope();

  struct Plan;
  const Plan& plan() const { return *plan_; }

 private:
  explicit Envelope(std::unique_ptr<Plan> plan);
  std::unique_ptr<Plan> plan_;
};

// Reads ids, times, repeat keys and symbols, and splits arrays. Reuses its buffers: one a thread.
// It reads no more than it needs: a document that it accepts may still be refused by Decoder.
class EnvelopeReader {
 public:
  EnvelopeReader();
  ~EnvelopeReader();

  // Fills readings(), one for a plain message, one an item for an array: none for an empty one.
  // Refused as a whole if the document is broken or there is no array of objects for `items`, if an
  // id is missing or no text or integer (kIdInvalid), if a time is missing, unreadable or null
  // (kTimeInvalid), or if a repeat key or a symbol can't be one (kFieldInvalid). An item that is
  // wrong by itself refuses the message with its index named. Limits of members hold for an item by
  // itself. `payload` need not be padded.
  std::optional<Refused> Read(const Envelope& envelope, std::string_view payload);

  const std::vector<Reading>& readings() const;
  const std::vector<SymbolText>& symbols() const;

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace gemel::codec
