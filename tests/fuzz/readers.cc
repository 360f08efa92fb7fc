#include "tests/fuzz/readers.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "gateway/base/assert.h"
#include "gateway/base/limits.h"
#include "gateway/base/time_text.h"
#include "gateway/base/utf8.h"

namespace gemel::fuzz {
namespace {

using codec::Codec;
using codec::Envelope;
using codec::FieldMap;

constexpr gemel_field Field(const char* name, const char* unit, gemel_type type,
                            uint32_t size = 8) {
  return {.name = name,
          .unit = unit,
          .meaning = "",
          .type = type,
          .source = GEMEL_FROM_TELEMETRY,
          .size = size,
          .time_offset = 0};
}

constexpr uint32_t kTextBytes = 16;
const gemel_field kTable[] = {
    Field("d", "", GEMEL_DOUBLE),
    Field("c", "degC", GEMEL_DOUBLE),
    Field("i", "", GEMEL_INT64),
    Field("m", "m", GEMEL_INT64),
    Field("b", "", GEMEL_BOOL, 1),
    Field("t", "", GEMEL_TIME),
    Field("s", "", GEMEL_TEXT, 2 + kTextBytes),
    Field("y", "", GEMEL_SYMBOL, 4),
    Field("o", "", GEMEL_DOUBLE),
};

FieldMap MapOf(Codec codec) {
  codec::FieldMapSpec spec{.codec = codec, .time_format = codec::TimeFormat::kIso};
  if (codec == Codec::kText) {
    spec.text_field = "y";
  } else {
    spec.fields = {{.field = "d"},
                   {.field = "c", .unit = "F"},
                   {.field = "i", .at = "/n/i"},
                   {.field = "m", .at = "/l/0", .unit = "km"},
                   {.field = "b", .values = {{"ON", "true"}, {"1.5", "null"}}},
                   {.field = "t"},
                   {.field = "s"},
                   {.field = "y"},
                   {.field = "o", .at = "^/o"}};
  }
  Result<FieldMap> map = FieldMap::Compile(kTable, spec);
  GEMEL_ASSERT(map.ok());
  return *std::move(map);
}

Envelope EnvelopeOf(Codec codec, const FieldMap& map, bool has_items) {
  codec::EnvelopeSpec spec{.codec = codec, .time_format = codec::TimeFormat::kIso};
  if (codec != Codec::kText) {
    spec.message_id = "/mid";
    spec.sequence = "/seq";
    if (has_items) spec.items = "/items";
    if (has_items) spec.id = "/id";
  }
  Result<Envelope> envelope = Envelope::Compile(spec, map);
  GEMEL_ASSERT(envelope.ok());
  return *std::move(envelope);
}

// Exactly as long as promised, so that ASan sees who reads further.
class Padded {
 public:
  explicit Padded(std::string_view text)
      : bytes_(std::make_unique<char[]>(text.size() + codec::kPadding)), size_(text.size()) {
    std::fill_n(std::ranges::copy(text, bytes_.get()).out, codec::kPadding, '1');
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

void Check(const gemel_field& field, const gemel_value& value) {
  if (value.type == GEMEL_NULL) return;
  GEMEL_ASSERT(value.type == field.type && value.type != GEMEL_SYMBOL);
  const std::string_view text(value.type == GEMEL_TEXT ? value.as.text : "",
                              value.type == GEMEL_TEXT ? value.length : 0);
  GEMEL_ASSERT(value.type != GEMEL_DOUBLE || std::isfinite(value.as.number));
  GEMEL_ASSERT(value.type != GEMEL_INT64 || value.as.integer != INT64_MIN);
  GEMEL_ASSERT(value.type != GEMEL_BOOL || (value.as.integer | 1) == 1);
  GEMEL_ASSERT(value.type != GEMEL_TIME ||
               (value.as.integer >= kTimeMinUs && value.as.integer <= kTimeMaxUs));
  GEMEL_ASSERT(text.size() <= kTextBytes && IsUtf8(text) && text.find('\0') == text.npos);
}

}  // namespace

Readers::Readers(Codec codec)
    : map_(MapOf(codec)),
      plain_(EnvelopeOf(codec, map_, false)),
      items_(EnvelopeOf(codec, map_, true)) {}

void Readers::Read(std::string_view payload) {
  ReadAs(plain_, payload);
  ReadAs(items_, payload);
}

void Readers::ReadAs(const Envelope& envelope, std::string_view payload) {
  // A copy of its own: intake is promised no padding.
  const std::vector<char> bytes(payload.begin(), payload.end());
  const auto refused = reader_.Read(envelope, {bytes.data(), bytes.size()});
  if (refused) {
    GEMEL_ASSERT(!refused->detail.empty() && IsUtf8(refused->detail));
    GEMEL_ASSERT(refused->detail.size() < 1'000 && refused->detail.find('\n') == std::string::npos);
    return;
  }
  GEMEL_ASSERT(reader_.readings().size() <= kItemsMax);
  for (const codec::SymbolText& symbol : reader_.symbols()) {
    GEMEL_ASSERT(symbol.text.size() <= kSymbolBytesMax && IsUtf8(symbol.text));
  }
  for (const codec::Reading& reading : reader_.readings()) Decode(reading);
}

void Readers::Decode(const codec::Reading& reading) {
  const Padded payload(reading.payload);
  const Padded outer(reading.outer);
  std::vector<gemel_value> values(map_.table_size());
  const auto refused = decoder_.Decode(map_, reading.codec, payload.view(), outer.view(), values);
  if (refused) {
    GEMEL_ASSERT(!refused->detail.empty() && IsUtf8(refused->detail));
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) Check(kTable[i], values[i]);
}

}  // namespace gemel::fuzz
