#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "gateway/sdk/types.hpp"

// The field table of a model: what its state holds, for people and for the gateway alike.
//
//   const Fields<State> kFields = {
//       telemetry(&State::oil_temp_c, "oil_temp_c", "degC", "Oil temperature at the sump."),
//       profile(&State::limit_c, "limit_c", "degC", "Warn above this."),
//       computed(&State::hot_s, "hot_s", "s", "Time above the limit, in all."),
//       window(&State::recent, "recent", "The last readings."),
//   };
namespace gemel {

// Whether every byte of a default object belongs to a member that is set: what lies in a window is
// saved and compared byte by byte, and padding holds anything. No constant, and so an error that
// names the byte, if it does not; T{} must be a constant expression.
template <typename T>
constexpr bool HasNoPadding() {
  unsigned read = 0;  // to read a byte of padding is what is no constant
  for (const unsigned char byte : std::bit_cast<std::array<unsigned char, sizeof(T)>>(T{}))
    read |= byte;
  return read <= 0xFF;
}

// A class whose objects a state may hold as one opaque field: of the SDK (windows.hpp,
// sketches.hpp, detectors.hpp) or your own. `kLayout` names kind, types, sizes and version of what
// the bytes mean, like "ring<double,32>/1": change it whenever old bytes must not be read by the
// new code. No Symbol inside, whose number means nothing after a restart, and no pointer.
template <typename W>
concept WindowType = std::is_class_v<W> && std::is_trivially_copyable_v<W> &&
    std::is_standard_layout_v<W> && requires {
  { W::kLayout } -> std::convertible_to<const char*>;
};

namespace fields_internal {

// The one choice of a window's field.
template <WindowType W>
inline constexpr const char* kLayoutOf[] = {W::kLayout};

template <typename S, typename M>
uint32_t OffsetOf(M S::*member) {
  static const S kProbe{};
  return static_cast<uint32_t>(reinterpret_cast<const char*>(&(kProbe.*member)) -
                               reinterpret_cast<const char*>(&kProbe));
}

template <typename S, typename T>
gemel_field Plain(T S::*member, gemel_source source, const char* name, const char* unit,
                  const char* meaning) {
  return {name,
          unit,
          meaning,
          TypeOf<T>::kType,
          static_cast<uint32_t>(source),
          OffsetOf(member),
          sizeof(T),
          GEMEL_NO_OFFSET,
          0,
          nullptr};
}

template <typename S, typename T>
gemel_field Timed(Last<T> S::*member, gemel_source source, const char* name, const char* unit,
                  const char* meaning) {
  const uint32_t offset = OffsetOf(member);
  return {name,
          unit,
          meaning,
          TypeOf<T>::kType,
          static_cast<uint32_t>(source),
          offset,
          sizeof(T),
          offset + Last<T>::time_offset(),
          0,
          nullptr};
}

}  // namespace fields_internal

// NOLINTBEGIN(readability-identifier-naming): words of a table, not calls that do something.

// A value of the payload, under this name unless the route maps another one to it.
template <typename S, typename T>
gemel_field telemetry(Last<T> S::*member, const char* name, const char* unit, const char* meaning) {
  return fields_internal::Timed(member, GEMEL_FROM_TELEMETRY, name, unit, meaning);
}

// A named segment of the topic: {region}.
template <typename S, typename T>
gemel_field topic(Last<T> S::*member, const char* name, const char* meaning) {
  return fields_internal::Timed(member, GEMEL_FROM_TOPIC, name, "", meaning);
}

// A column of the profile: what is known of the device before it speaks.
template <typename S, typename T>
gemel_field profile(T S::*member, const char* name, const char* unit, const char* meaning) {
  return fields_internal::Plain(member, GEMEL_FROM_PROFILE, name, unit, meaning);
}

// What the model itself works out and remembers.
template <typename S, typename T>
gemel_field computed(T S::*member, const char* name, const char* unit, const char* meaning) {
  return fields_internal::Plain(member, GEMEL_FROM_MODEL, name, unit, meaning);
}

// The same for an enumeration over uint8_t whose values index `choices`, which must live as long as
// the plug-in. People, SQL and JSON see the text.
template <typename S, typename E, size_t kCount>
gemel_field computed(E S::*member, const char* name, const char* const (&choices)[kCount],
                     const char* meaning) {
  static_assert(std::is_enum_v<E> && sizeof(E) == 1, "an enumeration over uint8_t");
  return {name,
          "",
          meaning,
          GEMEL_SYMBOL,
          GEMEL_FROM_MODEL,
          fields_internal::OffsetOf(member),
          1,
          GEMEL_NO_OFFSET,
          kCount,
          choices};
}

// What the model remembers in a form of its own: a ring, a sketch, a detector. Saved, exported and
// compared by its bytes; people see its layout and size. It begins anew, as the state's default has
// it, where what was saved has another layout or size.
template <typename S, WindowType W>
gemel_field window(W S::*member, const char* name, const char* meaning) {
  static_assert(HasNoPadding<W>(), "a window's bytes must all be set: add the padding as a member");
  return {name,
          "",
          meaning,
          GEMEL_WINDOW,
          GEMEL_FROM_MODEL,
          fields_internal::OffsetOf(member),
          sizeof(W),
          GEMEL_NO_OFFSET,
          1,
          fields_internal::kLayoutOf<W>};
}

// NOLINTEND(readability-identifier-naming)

// The table itself. State must be trivially copyable: the gateway saves and copies it as bytes.
template <typename State>
class Fields {
 public:
  static_assert(std::is_trivially_copyable_v<State>, "a state is copied and saved as bytes");
  static_assert(std::is_standard_layout_v<State>, "offsets of fields must be well defined");

  Fields(std::initializer_list<gemel_field> fields) : fields_(fields) {}
  const gemel_field* data() const { return fields_.data(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<gemel_field> fields_;
};

}  // namespace gemel
