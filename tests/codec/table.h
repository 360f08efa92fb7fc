#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/codec/field_map.h"
#include "gateway/sdk/model.h"

namespace gemel::codec {

// The field table that the tests of this folder map payloads to: one field a type, and a few more.
std::span<const gemel_field> TestTable();
// Index of a field of it.
uint16_t Index(std::string_view name);

// A map over TestTable(); what Compile refuses fails the test.
FieldMap Compiled(const FieldMapSpec& spec);

// The payload followed by padding that is no continuation of anything.
class Padded {
 public:
  explicit Padded(std::string_view text);
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::vector<char> bytes_;  // exactly the padding, so that ASan sees who reads beyond it
  size_t size_;
};

// The values that are not null as "speed_kmh=88 name=abc", or the refusal as "! detail".
std::string Decoded(Decoder& decoder, const FieldMap& map, Codec codec, std::string_view payload,
                    std::string_view outer = {});
std::string WrittenValue(const gemel_value& value);
// With the default map of JSON.
std::string DecodedJson(std::string_view payload);

}  // namespace gemel::codec
