#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "gateway/codec/binary_reader.h"

namespace gemel::codec {
namespace {

constexpr uint8_t kBreak = 0xFF;
constexpr std::string_view kReserved = "a reserved value";

enum Major : uint8_t { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kTag, kSimple };

// The first byte of a value and the number that belongs to it (RFC 8949, 3).
struct Head {
  Major major = kUnsigned;
  uint8_t info = 0;
  uint64_t argument = 0;

  bool is_indefinite() const { return info == 31; }
};

bool ReadHead(BinaryReader& reader, Head& head) {
  uint8_t first = 0;
  if (!reader.Byte(first)) return false;
  head.major = static_cast<Major>(first >> 5);
  head.info = first & 31;
  head.argument = head.info;
  if (head.info < 24 || head.info == 31) return true;
  if (head.info > 27) return reader.Fail(kReserved);
  return reader.Unsigned(size_t{1} << (head.info - 24), head.argument);
}

// Bytes or a text, in one piece or in several.
bool ReadString(BinaryReader& reader, const Head& head, std::string_view& whole,
                std::string& pieces) {
  if (!head.is_indefinite()) return reader.Bytes(head.argument, whole);
  for (;;) {
    if (reader.is_at_end()) return reader.Fail("it ends too early");
    Head piece;
    if (reader.Peek() == kBreak) break;
    if (!ReadHead(reader, piece)) return false;
    if (piece.major != head.major || piece.is_indefinite()) {
      return reader.Fail("a piece of a text that is none");
    }
    if (!reader.Bytes(piece.argument, whole)) return false;
    pieces += whole;
  }
  whole = pieces;
  uint8_t end = 0;
  return reader.Byte(end);
}

bool ReadInteger(BinaryReader& reader, const Head& head) {
  if (head.is_indefinite()) return reader.Fail(kReserved);
  if (head.major == kUnsigned) {
    reader.WriteUnsigned(head.argument);
    return true;
  }
  if (head.argument > std::numeric_limits<int64_t>::max()) {
    return reader.Fail("an integer is beyond 64 bits");
  }
  reader.WriteSigned(-1 - static_cast<int64_t>(head.argument));
  return true;
}

bool ReadKey(BinaryReader& reader) {
  Head head;
  if (!ReadHead(reader, head)) return false;
  std::string_view text;
  std::string pieces;
  switch (head.major) {
    case kText:
      return ReadString(reader, head, text, pieces) && reader.WriteText(text);
    case kUnsigned:
    case kNegative: {
      reader.Raw('"');
      if (!ReadInteger(reader, head)) return false;
      reader.Raw('"');
      return true;
    }
    default:
      return reader.Fail("a key is neither a text nor an integer");
  }
}

// Whether an array or a map goes on; takes the break of an indefinite one.
bool HasMore(BinaryReader& reader, const Head& head, uint64_t done, bool& has_more) {
  if (!head.is_indefinite()) {
    has_more = done < head.argument;
    return true;
  }
  if (reader.is_at_end()) return reader.Fail("it ends too early");
  has_more = reader.Peek() != kBreak;
  uint8_t end = 0;
  return has_more || reader.Byte(end);
}

bool ReadContainer(BinaryReader& reader, const Head& head, size_t depth) {
  const bool is_map = head.major == kMap;
  if (!reader.CheckDepth(depth)) return false;
  if (!head.is_indefinite() && !reader.CheckCount(head.argument)) return false;
  reader.Raw(is_map ? '{' : '[');
  bool has_more = false;
  for (uint64_t done = 0;; ++done) {
    if (!HasMore(reader, head, done, has_more)) return false;
    if (!has_more) break;
    if (done > 0) reader.Raw(',');
    if (is_map) {
      if (!ReadKey(reader)) return false;
      reader.Raw(':');
    }
    if (!ReadCbor(reader, depth + 1)) return false;
  }
  reader.Raw(is_map ? '}' : ']');
  return true;
}

// RFC 8949, appendix D.
double FromHalf(uint64_t half) {
  const int exponent = static_cast<int>(half >> 10 & 0x1F);
  const auto fraction = static_cast<double>(half & 0x3FF);
  double value = std::numeric_limits<double>::infinity();
  if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else if (exponent < 31) {
    value = std::ldexp(fraction + 1024, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

bool ReadSimple(BinaryReader& reader, const Head& head) {
  switch (head.info) {
    case 20:
      reader.Word("false");
      return true;
    case 21:
      reader.Word("true");
      return true;
    case 24:
      if (head.argument < 32) return reader.Fail(kReserved);
      break;
    case 25:
      return reader.WriteDouble(FromHalf(head.argument));
    case 26:
      return reader.WriteDouble(std::bit_cast<float>(static_cast<uint32_t>(head.argument)));
    case 27:
      return reader.WriteDouble(std::bit_cast<double>(head.argument));
    case 31:
      return reader.Fail("a break where a value should be");
    default:
      break;
  }
  reader.Word("null");
  return true;
}

}  // namespace

bool ReadCbor(BinaryReader& reader, size_t depth) {
  Head head;
  do {
    if (!ReadHead(reader, head)) return false;
    if (head.major == kTag && head.is_indefinite()) return reader.Fail(kReserved);
  } while (head.major == kTag);  // in a loop: a payload may be tags and nothing else
  std::string_view text;
  std::string pieces;
  switch (head.major) {
    case kUnsigned:
    case kNegative:
      return ReadInteger(reader, head);
    case kBytes:
      if (!ReadString(reader, head, text, pieces)) return false;
      reader.WriteBytes(text);
      return true;
    case kText:
      return ReadString(reader, head, text, pieces) && reader.WriteText(text);
    case kArray:
    case kMap:
      return ReadContainer(reader, head, depth);
    default:
      return ReadSimple(reader, head);
  }
}

}  // namespace gemel::codec
