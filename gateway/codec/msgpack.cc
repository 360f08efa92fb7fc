#include <bit>

#include "gateway/codec/binary_reader.h"

// https://github.com/msgpack/msgpack/blob/master/spec.md
namespace gemel::codec {
namespace {

bool ReadContainer(BinaryReader& reader, uint64_t count, bool is_map, size_t depth);

bool ReadTextOf(BinaryReader& reader, uint64_t size) {
  std::string_view text;
  return reader.Bytes(size, text) && reader.WriteText(text);
}

// A size of so many bytes, then a text.
bool ReadTextAfter(BinaryReader& reader, size_t size_bytes) {
  uint64_t size = 0;
  return reader.Unsigned(size_bytes, size) && ReadTextOf(reader, size);
}

// Bytes, behind `type_bytes` that say what they mean.
bool ReadBytesOf(BinaryReader& reader, uint64_t size, size_t type_bytes) {
  std::string_view bytes;
  if (!reader.Bytes(type_bytes, bytes) || !reader.Bytes(size, bytes)) return false;
  reader.WriteBytes(bytes);
  return true;
}

bool ReadBytesAfter(BinaryReader& reader, size_t size_bytes, size_t type_bytes) {
  uint64_t size = 0;
  return reader.Unsigned(size_bytes, size) && ReadBytesOf(reader, size, type_bytes);
}

bool ReadUnsigned(BinaryReader& reader, size_t size) {
  uint64_t value = 0;
  if (!reader.Unsigned(size, value)) return false;
  reader.WriteUnsigned(value);
  return true;
}

bool ReadSigned(BinaryReader& reader, size_t size) {
  uint64_t value = 0;
  if (!reader.Unsigned(size, value)) return false;
  const size_t unused = 64 - 8 * size;
  reader.WriteSigned(static_cast<int64_t>(value << unused) >> unused);
  return true;
}

bool ReadFloat(BinaryReader& reader, size_t size) {
  uint64_t bits = 0;
  if (!reader.Unsigned(size, bits)) return false;
  return reader.WriteDouble(size == 4 ? double{std::bit_cast<float>(static_cast<uint32_t>(bits))}
                                      : std::bit_cast<double>(bits));
}

bool ReadContainerAfter(BinaryReader& reader, size_t size_bytes, bool is_map, size_t depth) {
  uint64_t count = 0;
  return reader.Unsigned(size_bytes, count) && ReadContainer(reader, count, is_map, depth);
}

// The formats 0xC0 to 0xDF, which have a byte of their own each.
bool ReadByFormat(BinaryReader& reader, uint8_t format, size_t depth) {
  switch (format) {
    case 0xC0:
      reader.Word("null");
      return true;
    case 0xC2:
      reader.Word("false");
      return true;
    case 0xC3:
      reader.Word("true");
      return true;
    case 0xC4:
    case 0xC5:
    case 0xC6:
      return ReadBytesAfter(reader, size_t{1} << (format - 0xC4), 0);
    case 0xC7:
    case 0xC8:
    case 0xC9:
      return ReadBytesAfter(reader, size_t{1} << (format - 0xC7), 1);
    case 0xCA:
      return ReadFloat(reader, 4);
    case 0xCB:
      return ReadFloat(reader, 8);
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xCF:
      return ReadUnsigned(reader, size_t{1} << (format - 0xCC));
    case 0xD0:
    case 0xD1:
    case 0xD2:
    case 0xD3:
      return ReadSigned(reader, size_t{1} << (format - 0xD0));
    case 0xD4:
    case 0xD5:
    case 0xD6:
    case 0xD7:
    case 0xD8:
      return ReadBytesOf(reader, uint64_t{1} << (format - 0xD4), 1);
    case 0xD9:
    case 0xDA:
    case 0xDB:
      return ReadTextAfter(reader, size_t{1} << (format - 0xD9));
    case 0xDC:
    case 0xDD:
      return ReadContainerAfter(reader, format == 0xDC ? 2 : 4, false, depth);
    case 0xDE:
    case 0xDF:
      return ReadContainerAfter(reader, format == 0xDE ? 2 : 4, true, depth);
    default:
      return reader.Fail("a reserved value");
  }
}

bool ReadKey(BinaryReader& reader) {
  if (reader.is_at_end()) return reader.Fail("it ends too early");
  const uint8_t format = reader.Peek();
  const bool is_text = (format >= 0xA0 && format <= 0xBF) || (format >= 0xD9 && format <= 0xDB);
  if (is_text) return ReadMsgpack(reader, 0);
  const bool is_integer = format <= 0x7F || format >= 0xE0 || (format >= 0xCC && format <= 0xD3);
  if (!is_integer) return reader.Fail("a key is neither a text nor an integer");
  reader.Raw('"');
  if (!ReadMsgpack(reader, 0)) return false;
  reader.Raw('"');
  return true;
}

bool ReadContainer(BinaryReader& reader, uint64_t count, bool is_map, size_t depth) {
  if (!reader.CheckDepth(depth) || !reader.CheckCount(count)) return false;
  reader.Raw(is_map ? '{' : '[');
  for (uint64_t i = 0; i < count; ++i) {
    if (i > 0) reader.Raw(',');
    if (is_map) {
      if (!ReadKey(reader)) return false;
      reader.Raw(':');
    }
    if (!ReadMsgpack(reader, depth + 1)) return false;
  }
  reader.Raw(is_map ? '}' : ']');
  return true;
}

}  // namespace

bool ReadMsgpack(BinaryReader& reader, size_t depth) {
  uint8_t format = 0;
  if (!reader.Byte(format)) return false;
  if (format <= 0x7F) {
    reader.WriteUnsigned(format);
    return true;
  }
  if (format >= 0xE0) {
    reader.WriteSigned(static_cast<int8_t>(format));
    return true;
  }
  if (format <= 0x8F) return ReadContainer(reader, format & 0x0F, true, depth);
  if (format <= 0x9F) return ReadContainer(reader, format & 0x0F, false, depth);
  if (format <= 0xBF) return ReadTextOf(reader, format & 0x1F);
  return ReadByFormat(reader, format, depth);
}

}  // namespace gemel::codec
