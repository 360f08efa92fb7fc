#pragma once

#include <string_view>

#include "gateway/codec/envelope.h"
#include "gateway/codec/field_map.h"

namespace gemel::fuzz {

// One codec with a field of every type, outer fields, a unit and named values: once with items,
// once without.
class Readers {
 public:
  explicit Readers(codec::Codec codec);

  // Reads a payload both ways. Stops the program where something that was accepted breaks a
  // promise.
  void Read(std::string_view payload);

 private:
  void ReadAs(const codec::Envelope& envelope, std::string_view payload);
  void Decode(const codec::Reading& reading);

  codec::FieldMap map_;
  codec::Envelope plain_;
  codec::Envelope items_;
  codec::EnvelopeReader reader_;
  codec::Decoder decoder_;
};

}  // namespace gemel::fuzz
