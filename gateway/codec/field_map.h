#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/refusal.h"
#include "gateway/base/status.h"
#include "gateway/sdk/model.h"

namespace gemel::codec {

enum class Codec : uint8_t { kJson, kText, kCbor, kMsgpack };
enum class TimeFormat : uint8_t { kSeconds, kMilliseconds, kMicroseconds, kIso };

// One entry of a route's "fields".
struct MappedField {
  std::string field;  // of the model's table
  // JSON pointer; "^/..." reads the whole message; "" is the field's own name, at the top.
  std::string at;
  std::string unit;  // what the payload uses; "": the field's own
  // Payload text (JSON text of numbers and booleans) -> JSON value of the field, null included.
  // What is not named must fit the field by itself; a text or symbol has to be named.
  std::vector<std::pair<std::string, std::string>> values;
};

struct FieldMapSpec {
  Codec codec = Codec::kJson;
  std::string text_field;  // Codec::kText: the field that the scalar fills; "": the topic names it
  TimeFormat time_format = TimeFormat::kMilliseconds;  // how fields of type time are written
  // Empty: every telemetry field under its own name, at the top.
  std::vector<MappedField> fields;
};

// Where each telemetry field of a model stands in the payloads of a route, compiled to a trie that
// one walk over the document serves. Immutable, so safe from any thread.
class FieldMap {
 public:
  // Invalid if a mapped field is not in the table or not of source telemetry, if a pointer is
  // malformed, if units don't convert, or if a value of "values" does not fit the field's type.
  static Result<FieldMap> Compile(std::span<const gemel_field> table, const FieldMapSpec& spec);

  FieldMap(FieldMap&&) noexcept;
  FieldMap& operator=(FieldMap&&) noexcept;
  ~FieldMap();

  // Number of fields in the model's table.
  size_t table_size() const;
  // Whether intake has symbols to read from the payload.
  bool has_symbols() const;

  struct Plan;
  const Plan& plan() const { return *plan_; }

 private:
  explicit FieldMap(std::unique_ptr<Plan> plan);
  std::unique_ptr<Plan> plan_;
};

// Bytes that must be readable (any content) behind the end of a payload that is decoded in place.
inline constexpr size_t kPadding = 64;

// Turns payloads into the values of a model's fields. Holds parsers and buffers that are reused, so
// that decoding does not allocate once warm: one decoder a thread.
class Decoder {
 public:
  Decoder();
  ~Decoder();

  // Sets values[i] for field i of the table; GEMEL_NULL where the payload has nothing or null
  // there. Fields of type symbol are left null: intake has read them (see Envelope). Text points
  // into the decoder or the payload and lives until the next call.
  //
  // Strict: the whole document must be valid (promises: depth, members, key length, UTF-8, lone
  // surrogates, duplicate keys on the way to a mapped field, trailing bytes, integers beyond 64
  // bits, non-finite numbers) and each mapped value must fit its field: an integer with a fraction
  // of zero serves an int64, 0 and 1 serve a bool, a text that is a JSON number as a whole serves a
  // number, and "true" and "false" a bool; numbers and booleans serve a text as JSON writes them.
  // An int64 that is converted from another unit is rounded. A missing or null value, and one on
  // whose way something else stands, is null. Otherwise the message is refused as a whole. `outer`
  // is the JSON object that Envelope made of "^/" pointers; empty: they are read from the payload.
  // REQUIRES: kPadding readable bytes behind both texts; values.size() == map.table_size()
  std::optional<Refused> Decode(const FieldMap& map, Codec codec, std::string_view payload,
                                std::string_view outer, std::span<gemel_value> values);

  // One text into one value of the field's type: topic segments, CSV cells. Blanks around it don't
  // count, the empty text is null, a time is ISO text or milliseconds, a symbol becomes a
  // GEMEL_TEXT. Text points into `text` or the decoder.
  std::optional<Refused> Scalar(const gemel_field& field, std::string_view text,
                                gemel_value& value);

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace gemel::codec
