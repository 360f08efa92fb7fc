#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include "gateway/sdk/model.h"

// The types that a twin's state is made of. All are trivially copyable; each has one value that
// stands for null, because devices do leave things out.
namespace gemel {

using Duration = std::chrono::microseconds;
using Time = std::chrono::sys_time<Duration>;
inline constexpr Time kNoTime{Duration{GEMEL_NO_TIME}};

constexpr Duration FromSeconds(double seconds) {
  return Duration{static_cast<int64_t>(seconds * 1e6)};
}
constexpr double ToSeconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e6;
}

inline constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
inline constexpr int64_t kNoInteger = std::numeric_limits<int64_t>::min();

// An interned text of few distinct values: a region, a driver, a firmware version. Compare two of
// them for equality; ask the context for the text. The number means nothing outside the process.
struct Symbol {
  uint32_t number = 0;
  bool operator==(const Symbol&) const = default;
  bool has_value() const { return number != 0; }
};

// Text of at most `kCapacity` bytes of UTF-8, for what is different in every twin.
template <size_t kCapacity>
class Text {
 public:
  static_assert(kCapacity >= 1 && kCapacity <= 1024);
  Text() = default;
  Text(std::string_view text) { Assign(text); }  // NOLINT(google-explicit-constructor)

  std::string_view view() const { return {bytes_, size_}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor)
  bool has_value() const { return size_ != 0; }
  // Cuts what does not fit, never inside a character.
  void Assign(std::string_view text) {
    size_t size = text.size() < kCapacity ? text.size() : kCapacity;
    while (size < text.size() && size > 0 &&
           (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
      --size;
    }
    std::memset(bytes_, 0, kCapacity);
    if (size > 0) std::memcpy(bytes_, text.data(), size);
    size_ = static_cast<uint16_t>(size);
  }

 private:
  uint16_t size_ = 0;
  char bytes_[kCapacity] = {};
};

// The last known value of something that a device reports: the one with the newest event time, even
// when messages come out of order. The gateway fills it in before on_telemetry is called.
template <typename T>
class Last {
 public:
  using Value = T;

  bool has_value() const { return at_ != kNoTime; }
  // The type's default before the first report.
  const T& value() const { return value_; }
  T value_or(T otherwise) const { return has_value() ? value_ : otherwise; }
  // Event time of the report; kNoTime before the first.
  Time at() const { return at_; }
  // For tests and device models; in a twin the gateway does this.
  void Set(T value, Time at) {
    value_ = value;
    at_ = at;
  }

  // Where the parts lie, for the field table.
  static constexpr uint32_t value_offset() { return 0; }
  static uint32_t time_offset() {
    static const Last kProbe;
    return static_cast<uint32_t>(reinterpret_cast<const char*>(&kProbe.at_) -
                                 reinterpret_cast<const char*>(&kProbe));
  }

 private:
  T value_{};
  Time at_ = kNoTime;
};

template <typename T>
struct TypeOf;  // no such type of field: see gemel_type in model.h
template <>
struct TypeOf<bool> {
  static constexpr gemel_type kType = GEMEL_BOOL;
};
template <>
struct TypeOf<int64_t> {
  static constexpr gemel_type kType = GEMEL_INT64;
};
template <>
struct TypeOf<double> {
  static constexpr gemel_type kType = GEMEL_DOUBLE;
};
template <>
struct TypeOf<Time> {
  static constexpr gemel_type kType = GEMEL_TIME;
};
template <>
struct TypeOf<Symbol> {
  static constexpr gemel_type kType = GEMEL_SYMBOL;
};
template <size_t kCapacity>
struct TypeOf<Text<kCapacity>> {
  static constexpr gemel_type kType = GEMEL_TEXT;
};

static_assert(sizeof(Last<double>) == 16 && sizeof(Last<Symbol>) == 16 && sizeof(Text<30>) == 32);

}  // namespace gemel
