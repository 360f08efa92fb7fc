#include "tests/codec/table.h"

#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gemel::codec {
namespace {

constexpr gemel_field Telemetry(const char* name, const char* unit, gemel_type type,
                                uint32_t size) {
  return {.name = name,
          .unit = unit,
          .meaning = "For tests.",
          .type = type,
          .source = GEMEL_FROM_TELEMETRY,
          .size = size,
          .time_offset = 0};
}

const char* const kChoices[] = {"a", "b"};

const gemel_field kTable[] = {
    Telemetry("speed_kmh", "km/h", GEMEL_DOUBLE, 8),
    Telemetry("temp_c", "degC", GEMEL_DOUBLE, 8),
    Telemetry("odometer_m", "m", GEMEL_INT64, 8),
    Telemetry("is_open", "", GEMEL_BOOL, 1),
    Telemetry("seen_us", "", GEMEL_TIME, 8),
    Telemetry("name", "", GEMEL_TEXT, 2 + 16),
    Telemetry("region", "", GEMEL_SYMBOL, 4),
    Telemetry("driver", "", GEMEL_SYMBOL, 4),
    {.name = "topic_part",
     .unit = "",
     .meaning = "",
     .type = GEMEL_TEXT,
     .source = GEMEL_FROM_TOPIC,
     .size = 18},
    {.name = "mood",
     .unit = "",
     .meaning = "",
     .type = GEMEL_SYMBOL,
     .source = GEMEL_FROM_TELEMETRY,
     .size = 1,
     .choices_count = 2,
     .choices = kChoices},
    Telemetry("lat", "deg", GEMEL_DOUBLE, 8),
    Telemetry("lon", "deg", GEMEL_DOUBLE, 8),
};

}  // namespace

std::span<const gemel_field> TestTable() { return kTable; }

std::string WrittenValue(const gemel_value& value) {
  switch (value.type) {
    case GEMEL_NULL:
      return "null";
    case GEMEL_BOOL:
      return value.as.integer != 0 ? "true" : "false";
    case GEMEL_DOUBLE:
      return fmt::format("{}", value.as.number);
    case GEMEL_TEXT:
      return {value.as.text, value.length};
    default:
      return fmt::format("{}", value.as.integer);
  }
}

uint16_t Index(std::string_view name) {
  for (size_t i = 0; i < std::size(kTable); ++i) {
    if (name == kTable[i].name) return static_cast<uint16_t>(i);
  }
  ADD_FAILURE() << "no field " << name;
  return 0;
}

FieldMap Compiled(const FieldMapSpec& spec) {
  Result<FieldMap> map = FieldMap::Compile(kTable, spec);
  EXPECT_TRUE(map.ok()) << map.status().message();
  return *std::move(map);
}

Padded::Padded(std::string_view text) : bytes_(text.size() + kPadding, '0'), size_(text.size()) {
  if (!text.empty()) std::memcpy(bytes_.data(), text.data(), text.size());
}

std::string Decoded(Decoder& decoder, const FieldMap& map, Codec codec, std::string_view payload,
                    std::string_view outer) {
  std::vector<gemel_value> values(map.table_size());
  const Padded padded(payload);
  const Padded padded_outer(outer);
  const auto refused = decoder.Decode(map, codec, padded.view(), padded_outer.view(), values);
  if (refused) return "! " + refused->detail;
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].type == GEMEL_NULL) continue;
    if (!text.empty()) text += ' ';
    text += fmt::format("{}={}", kTable[i].name, WrittenValue(values[i]));
  }
  return text;
}

std::string DecodedJson(std::string_view payload) {
  Decoder decoder;
  return Decoded(decoder, Compiled({}), Codec::kJson, payload);
}

}  // namespace gemel::codec
