#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemel::codec {

// Bytes of a binary document in, JSON text out: what CBOR and MessagePack have in common. Every
// function that reads returns false once something is wrong, with error() saying what.
class BinaryReader {
 public:
  BinaryReader(std::string_view bytes, std::string& json)
      : bytes_(bytes), rest_(bytes), json_(json) {}

  bool is_at_end() const { return rest_.empty(); }
  size_t offset() const { return bytes_.size() - rest_.size(); }
  std::string_view error() const { return error_; }
  // Always false, so that a reader can return it. `what` must outlive the reader.
  bool Fail(std::string_view what) {
    error_ = what;
    return false;
  }

  // The next byte without taking it. REQUIRES: !is_at_end()
  uint8_t Peek() const { return static_cast<uint8_t>(rest_[0]); }
  bool Byte(uint8_t& byte);
  // A big-endian integer of 1, 2, 4 or 8 bytes.
  bool Unsigned(size_t size, uint64_t& value);
  bool Bytes(uint64_t size, std::string_view& bytes);
  // Whether so many values can follow: each takes a byte at least. A false length ends here.
  bool CheckCount(uint64_t count);
  // Whether another level may be entered.
  bool CheckDepth(size_t depth);

  void Raw(char c) { json_ += c; }
  void Word(std::string_view word) { json_ += word; }
  void WriteSigned(int64_t value);
  void WriteUnsigned(uint64_t value);
  bool WriteText(std::string_view text);
  void WriteBytes(std::string_view bytes);
  // Refuses what is not finite.
  bool WriteDouble(double value);

 private:
  const std::string_view bytes_;
  std::string_view rest_;
  std::string& json_;
  std::string_view error_;
};

// One value each, `depth` levels deep.
bool ReadCbor(BinaryReader& reader, size_t depth);
bool ReadMsgpack(BinaryReader& reader, size_t depth);

}  // namespace gemel::codec
