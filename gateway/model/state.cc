#include "gateway/model/state.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iterator>

#include "gateway/base/assert.h"
#include "gateway/base/json_text.h"
#include "gateway/base/utf8.h"
#include "gateway/sdk/arguments.hpp"

namespace gemel::model {
namespace {

constexpr gemel_value kNull{GEMEL_NULL, 0, {.integer = 0}};

template <typename T>
void Store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <typename T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void StoreText(std::byte* at, size_t capacity, std::string_view text) {
  const size_t size = CutUtf8(text, capacity).size();
  std::memset(at, 0, sizeof(uint16_t) + capacity);
  Store(at, static_cast<uint16_t>(size));
  if (size > 0) std::memcpy(at + sizeof(uint16_t), text.data(), size);
}

template <typename Number>
void AppendNumber(Number number, std::string& out) {
  char buffer[32];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

gemel_value ReadSymbol(const gemel_field& field, const std::byte* at) {
  if (field.choices_count > 0) {
    const auto choice = Load<uint8_t>(at);
    return choice < field.choices_count ? ToValue(field.choices[choice]) : kNull;
  }
  const auto number = Load<uint32_t>(at);
  return number == 0 ? kNull : ToValue(Symbol{number});
}

}  // namespace

std::string_view TypeName(uint32_t type) {
  constexpr std::string_view kNames[] = {"null", "bool",   "int64", "double",
                                         "time", "symbol", "text",  "window"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

std::string_view SourceName(uint32_t source) {
  constexpr std::string_view kNames[] = {"none", "telemetry", "topic", "profile", "model"};
  return source < std::size(kNames) ? kNames[source] : "unknown";
}

Time EventTimeOf(const gemel_field& field, const std::byte* state) {
  return Time{Duration{Load<int64_t>(state + field.time_offset)}};
}

void SetEventTime(const gemel_field& field, std::byte* state, Time time) {
  Store(state + field.time_offset, time.time_since_epoch().count());
}

void WriteValue(const gemel_field& field, std::byte* state, const gemel_value& value) {
  std::byte* at = state + field.offset;
  const bool is_null = value.type == GEMEL_NULL;
  switch (field.type) {
    case GEMEL_BOOL:
      Store(at, static_cast<uint8_t>(!is_null && value.as.integer != 0));
      break;
    case GEMEL_INT64:
    case GEMEL_TIME:
      Store(at, is_null ? kNoInteger : value.as.integer);
      break;
    case GEMEL_DOUBLE:
      // A saved twin has no negative zero, so one that was never saved must not have one either.
      Store(at, is_null ? kNoNumber : value.as.number + 0.0);
      break;
    case GEMEL_SYMBOL:
      if (field.choices_count == 0)
        Store(at, is_null ? 0U : static_cast<uint32_t>(value.as.integer));
      break;
    case GEMEL_TEXT:
      StoreText(at, field.size - sizeof(uint16_t),
                is_null ? std::string_view{} : std::string_view{value.as.text, value.length});
      break;
    default:
      break;
  }
}

void WriteChoice(const gemel_field& field, std::byte* state, std::string_view text) {
  for (uint32_t choice = 0; choice < field.choices_count; ++choice) {
    if (text == field.choices[choice]) Store(state + field.offset, static_cast<uint8_t>(choice));
  }
}

gemel_value ReadValue(const gemel_field& field, const std::byte* state) {
  const std::byte* at = state + field.offset;
  if (field.time_offset != GEMEL_NO_OFFSET && EventTimeOf(field, state) == kNoTime) {
    return kNull;
  }
  switch (field.type) {
    case GEMEL_BOOL:
      return ToValue(Load<uint8_t>(at) != 0);
    case GEMEL_INT64:
      return ToValue(Load<int64_t>(at));
    case GEMEL_TIME:
      return ToValue(Time{Duration{Load<int64_t>(at)}});
    case GEMEL_DOUBLE:
      return ToValue(Load<double>(at));
    case GEMEL_SYMBOL:
      return ReadSymbol(field, at);
    case GEMEL_TEXT: {
      const auto size = std::min<size_t>(Load<uint16_t>(at), field.size - sizeof(uint16_t));
      if (size == 0) return kNull;
      return ToValue(std::string_view{reinterpret_cast<const char*>(at) + sizeof(uint16_t), size});
    }
    default:
      return kNull;
  }
}

std::span<const std::byte> WindowOf(const gemel_field& field, const std::byte* state) {
  return {state + field.offset, field.size};
}

std::string_view LayoutOf(const gemel_field& field) { return field.choices[0]; }

void WriteWindow(const gemel_field& field, std::byte* state, std::span<const std::byte> bytes) {
  GEMEL_ASSERT(field.type == GEMEL_WINDOW && bytes.size() == field.size);
  std::memcpy(state + field.offset, bytes.data(), bytes.size());
}

void AppendJson(const gemel_value& value, const Symbols& symbols, std::string& out) {
  switch (value.type) {
    case GEMEL_BOOL:
      out += value.as.integer != 0 ? "true" : "false";
      break;
    case GEMEL_INT64:
      AppendNumber(value.as.integer, out);
      break;
    case GEMEL_TIME:
      AppendNumber(
          std::chrono::floor<std::chrono::milliseconds>(Duration{value.as.integer}).count(), out);
      break;
    case GEMEL_DOUBLE:
      if (std::isfinite(value.as.number)) {
        AppendNumber(value.as.number + 0.0, out);
      } else {
        out += "null";
      }
      break;
    case GEMEL_SYMBOL:
      AppendJsonText(symbols.TextOf(Symbol{static_cast<uint32_t>(value.as.integer)}), out);
      break;
    case GEMEL_TEXT:
      AppendJsonText({value.as.text, value.length}, out);
      break;
    default:
      out += "null";
  }
}

void AppendFieldJson(const gemel_field& field, const std::byte* state, const Symbols& symbols,
                     std::string& out) {
  if (field.type != GEMEL_WINDOW) {
    AppendJson(ReadValue(field, state), symbols, out);
    return;
  }
  out += "{\"layout\":";
  AppendJsonText(LayoutOf(field), out);
  out += ",\"bytes\":";
  AppendNumber(field.size, out);
  out += '}';
}

void AppendJsonObject(const gemel_argument* arguments, size_t count, const Symbols& symbols,
                      std::string& out) {
  out += '{';
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    AppendJsonText(ToView(arguments[i].name), out);
    out += ':';
    AppendJson(arguments[i].value, symbols, out);
  }
  out += '}';
}

}  // namespace gemel::model
