#pragma once

#include <array>
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
//   };
namespace gemel {

namespace fields_internal {

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
