#pragma once

#include <cstdint>
#include <string_view>

namespace gemel::codec {

// One value of a payload, whatever its codec.
struct Scalar {
  enum class Kind : uint8_t {
    kAbsent,
    kNull,
    kBool,
    kInteger,
    kUnsigned,  // an integer over INT64_MAX
    kDouble,    // finite
    kText,      // valid UTF-8
    kObject,    // where it begins is in `unsigned_integer`
    kArray,
  };

  Kind kind = Kind::kAbsent;
  union {
    bool boolean;
    int64_t integer = 0;
    uint64_t unsigned_integer;
    double number;
  };
  std::string_view text;

  bool is_container() const { return kind == Kind::kObject || kind == Kind::kArray; }
  // Nothing was sent, which is not an error of its own.
  bool is_nothing() const { return kind == Kind::kAbsent || kind == Kind::kNull; }
};

// Big enough for every number as text.
inline constexpr size_t kNumberBytesMax = 32;
struct NumberText {
  char bytes[kNumberBytesMax];
};

// The value as JSON writes it, texts without their quotes, numbers in the shortest form; in
// `buffer` where it has to be written. REQUIRES: neither absent nor a container
std::string_view TextOf(const Scalar& scalar, char (&buffer)[kNumberBytesMax]);

// A text that is one JSON number as a whole, as that number; absent otherwise, and where the number
// is beyond what a double holds.
Scalar NumberOf(std::string_view text);

}  // namespace gemel::codec
