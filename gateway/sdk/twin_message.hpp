#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "gateway/sdk/arguments.hpp"
#include "gateway/sdk/model.h"
#include "gateway/sdk/types.hpp"

namespace gemel {

// What another twin has sent by Context::send. Valid until on_message returns.
class TwinMessage {
 public:
  explicit TwinMessage(const gemel_twin_message& message) : message_(message) {}

  // The twin that sent it: truck and 42 of truck/42.
  std::string_view from_model() const { return ToView(message_.model); }
  std::string_view from_id() const { return ToView(message_.id); }
  std::string_view name() const { return ToView(message_.name); }

  // An argument: double (of any number), int64_t, bool, Time, or std::string_view (also of what was
  // sent as a symbol). Nothing if there is none of the name, or it is null.
  // Throws std::invalid_argument if it is of another type.
  template <typename T>
  std::optional<T> find(std::string_view name) const {
    for (size_t i = 0; i < message_.arguments_count; ++i) {
      const gemel_argument& argument = message_.arguments[i];
      if (ToView(argument.name) == name) return Read<T>(name, argument.value);
    }
    return std::nullopt;
  }
  // The same for one that must be there. Throws std::invalid_argument if it is not.
  template <typename T>
  T get(std::string_view name) const {
    const std::optional<T> value = find<T>(name);
    if (!value) throw std::invalid_argument(std::string(name) + ": missing from the message");
    return *value;
  }

 private:
  template <typename T>
  static std::optional<T> Read(std::string_view name, const gemel_value& value) {
    if (value.type == GEMEL_NULL) return std::nullopt;
    if constexpr (std::is_same_v<T, double>) {
      if (value.type == GEMEL_DOUBLE) return value.as.number;
      if (value.type == GEMEL_INT64) return static_cast<double>(value.as.integer);
    } else if constexpr (std::is_same_v<T, int64_t>) {
      if (value.type == GEMEL_INT64) return value.as.integer;
    } else if constexpr (std::is_same_v<T, bool>) {
      if (value.type == GEMEL_BOOL) return value.as.integer != 0;
    } else if constexpr (std::is_same_v<T, Time>) {
      if (value.type == GEMEL_TIME) return Time{Duration{value.as.integer}};
    } else {
      static_assert(std::is_same_v<T, std::string_view>, "no type of an argument");
      if (value.type == GEMEL_TEXT) return std::string_view{value.as.text, value.length};
    }
    throw std::invalid_argument(std::string(name) + ": of another type than the one asked for");
  }

  const gemel_twin_message& message_;
};

}  // namespace gemel
