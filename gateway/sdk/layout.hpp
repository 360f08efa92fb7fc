#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "gateway/sdk/types.hpp"

// Names of layouts for window classes that are templates (see window() in fields.hpp):
//
//   static constexpr auto kLayoutText = MakeLayout("ring", ElementName<T>(), {kCapacity}, 1);
//   static constexpr const char* kLayout = kLayoutText.data();        // "ring<double,32>/1"
namespace gemel {

// What an element is called in a layout. No name for a Symbol: its number means nothing after a
// restart. An element of your own has `static constexpr const char* kName`.
template <typename T>
constexpr std::string_view ElementName() {
  if constexpr (std::is_same_v<T, double>) return "double";
  if constexpr (std::is_same_v<T, float>) return "float";
  if constexpr (std::is_same_v<T, int64_t>) return "int64";
  if constexpr (std::is_same_v<T, int32_t>) return "int32";
  if constexpr (std::is_same_v<T, uint64_t>) return "uint64";
  if constexpr (std::is_same_v<T, uint32_t>) return "uint32";
  if constexpr (std::is_same_v<T, uint8_t>) return "uint8";
  if constexpr (std::is_same_v<T, Time>) return "time";
  if constexpr (std::is_class_v<T> && !std::is_same_v<T, Time>) return T::kName;
}

// "kind<element,number,...>/version", ended by a NUL; parts that are empty are left out. Does not
// compile if it is longer than 63 characters.
constexpr std::array<char, 64> MakeLayout(std::string_view kind, std::string_view element,
                                          std::initializer_list<uint64_t> numbers,
                                          unsigned version) {
  std::array<char, 64> text{};
  size_t size = 0;
  const auto add = [&](std::string_view part) {
    for (const char c : part) text.at(size++) = c;
  };
  const auto add_number = [&](uint64_t number) {
    char digits[20] = {};
    size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (count > 0) text.at(size++) = digits[--count];
  };
  add(kind);
  std::string_view before = "<";
  if (!element.empty()) {
    add(before);
    add(element);
    before = ",";
  }
  for (const uint64_t number : numbers) {
    add(before);
    add_number(number);
    before = ",";
  }
  if (before == ",") add(">");
  add("/");
  add_number(version);
  text.at(size) = '\0';
  return text;
}

}  // namespace gemel
