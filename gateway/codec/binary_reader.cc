#include "gateway/codec/binary_reader.h"

#include <cmath>

#include "gateway/base/json_text.h"
#include "gateway/base/limits.h"
#include "gateway/base/utf8.h"
#include "gateway/codec/scalar.h"

namespace gemel::codec {
namespace {

constexpr std::string_view kCut = "it ends too early";

void AppendNumber(const Scalar& number, std::string& json) {
  char buffer[kNumberBytesMax];
  json += TextOf(number, buffer);
}

}  // namespace

bool BinaryReader::Byte(uint8_t& byte) {
  if (rest_.empty()) return Fail(kCut);
  byte = Peek();
  rest_.remove_prefix(1);
  return true;
}

bool BinaryReader::Unsigned(size_t size, uint64_t& value) {
  std::string_view bytes;
  if (!Bytes(size, bytes)) return false;
  value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return true;
}

bool BinaryReader::Bytes(uint64_t size, std::string_view& bytes) {
  if (size > rest_.size()) return Fail(kCut);
  bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool BinaryReader::CheckCount(uint64_t count) { return count <= rest_.size() || Fail(kCut); }

bool BinaryReader::CheckDepth(size_t depth) {
  return depth < kPayloadDepthMax || Fail("it is nested too deeply");
}

void BinaryReader::WriteSigned(int64_t value) {
  Scalar number{.kind = Scalar::Kind::kInteger};
  number.integer = value;
  AppendNumber(number, json_);
}

void BinaryReader::WriteUnsigned(uint64_t value) {
  Scalar number{.kind = Scalar::Kind::kUnsigned};
  number.unsigned_integer = value;
  AppendNumber(number, json_);
}

bool BinaryReader::WriteDouble(double value) {
  if (!std::isfinite(value)) return Fail("a number is not finite");
  Scalar number{.kind = Scalar::Kind::kDouble};
  number.number = value;
  AppendNumber(number, json_);
  return true;
}

bool BinaryReader::WriteText(std::string_view text) {
  if (!IsUtf8(text)) return Fail("a text is not UTF-8");
  AppendJsonText(text, json_);
  return true;
}

void BinaryReader::WriteBytes(std::string_view bytes) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  json_ += '"';
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) json_ += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) json_ += kAlphabet[bits << (6 - count) & 63];
  json_ += '"';
}

}  // namespace gemel::codec
