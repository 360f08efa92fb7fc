#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "gateway/base/limits.h"
#include "gateway/model/plugin.h"
#include "gateway/sdk/types.hpp"

namespace gemel::model {
namespace {

// Of a plug-in built with the first header of this ABI; what was appended since is null to it.
constexpr size_t kModelBytesMin = offsetof(gemel_model, on_timer);

bool IsName(const char* name, size_t size_max) {
  if (name == nullptr) return false;
  const std::string_view text(name);
  if (text.empty() || text.size() > size_max) return false;
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return text[0] >= 'a' && text[0] <= 'z' && std::ranges::all_of(text, is_allowed);
}

// Bytes of the value and its alignment; no alignment for a type that does not exist.
struct Room {
  uint32_t size = 0;
  uint32_t align = 0;
};

Room RoomOf(const gemel_field& field) {
  switch (field.type) {
    case GEMEL_BOOL:
      return {1, 1};
    case GEMEL_INT64:
    case GEMEL_DOUBLE:
    case GEMEL_TIME:
      return {8, 8};
    case GEMEL_SYMBOL:
      return field.choices_count > 0 ? Room{1, 1} : Room{4, 4};
    case GEMEL_TEXT:
      return {field.size, 2};
    case GEMEL_WINDOW:
      return {field.size, 1};  // any, which only the model knows
    default:
      return {};
  }
}

bool IsInside(uint32_t offset, uint32_t size, uint32_t state_size) {
  return size <= state_size && offset <= state_size - size;
}

bool IsLayout(const char* layout) {
  if (layout == nullptr) return false;
  const std::string_view text(layout);
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_<>,.:/+-").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kLayoutBytesMax && std::ranges::all_of(text, is_allowed);
}

Status CheckWindow(const gemel_field& field) {
  if (field.source != GEMEL_FROM_MODEL) {
    return Invalid(fmt::format("field {}: only the model itself can fill a window", field.name));
  }
  if (field.choices == nullptr || field.choices_count != 1 || !IsLayout(field.choices[0])) {
    return Invalid(
        fmt::format("field {}: the one choice of a window is its layout, 1 to {} of "
                    "[A-Za-z0-9_<>,.:/+-]",
                    field.name, kLayoutBytesMax));
  }
  return Status::Ok();
}

Status CheckChoices(const gemel_field& field) {
  if (field.type == GEMEL_WINDOW) return CheckWindow(field);
  if (field.choices_count == 0) return Status::Ok();
  if (field.type != GEMEL_SYMBOL || field.source != GEMEL_FROM_MODEL) {
    return Invalid(
        fmt::format("field {}: only a symbol that the model sets can have choices", field.name));
  }
  if (field.choices == nullptr || field.choices_count > 255) {
    return Invalid(
        fmt::format("field {}: {} choices; 1 to 255 are allowed", field.name, field.choices_count));
  }
  for (uint32_t i = 0; i < field.choices_count; ++i) {
    if (!IsName(field.choices[i], kSymbolBytesMax)) {
      return Invalid(fmt::format("field {}: choice {} must match [a-z][a-z0-9_]*", field.name, i));
    }
  }
  return Status::Ok();
}

Status CheckPlace(const gemel_field& field, uint32_t state_size) {
  const Room room = RoomOf(field);
  if (room.align == 0) {
    return Invalid(
        fmt::format("field {}: type {} does not exist in this version", field.name, field.type));
  }
  const uint32_t size_min = field.type == GEMEL_TEXT ? 3 : 1;
  if (field.size != room.size || field.size < size_min) {
    return Invalid(fmt::format("field {}: {} bytes; its type takes {}", field.name, field.size,
                               std::max(room.size, size_min)));
  }
  if (!IsInside(field.offset, field.size, state_size)) {
    return Invalid(fmt::format("field {}: bytes {} to {} lie outside the state of {} bytes",
                               field.name, field.offset, uint64_t{field.offset} + field.size,
                               state_size));
  }
  if (field.offset % room.align != 0) {
    return Invalid(fmt::format("field {}: offset {} is no multiple of {}", field.name, field.offset,
                               room.align));
  }
  const bool is_timed = field.source == GEMEL_FROM_TELEMETRY || field.source == GEMEL_FROM_TOPIC;
  if (is_timed != (field.time_offset != GEMEL_NO_OFFSET)) {
    return Invalid(fmt::format(
        "field {}: telemetry and topic fields must be Last<...>, others must not", field.name));
  }
  if (is_timed && (!IsInside(field.time_offset, 8, state_size) || field.time_offset % 8 != 0)) {
    return Invalid(fmt::format("field {}: its event time at {} lies outside the state of {} bytes",
                               field.name, field.time_offset, state_size));
  }
  return CheckChoices(field);
}

struct Range {
  uint32_t begin;
  uint32_t end;
  const char* name;
};

Status CheckOverlaps(const gemel_model& table) {
  std::vector<Range> ranges;
  for (size_t i = 0; i < table.fields_count; ++i) {
    const gemel_field& field = table.fields[i];
    ranges.push_back({field.offset, field.offset + field.size, field.name});
    if (field.time_offset != GEMEL_NO_OFFSET) {
      ranges.push_back({field.time_offset, field.time_offset + 8, field.name});
    }
  }
  std::ranges::sort(ranges, {}, &Range::begin);
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end) {
      return Invalid(fmt::format("fields {} and {} overlap at byte {} of the state",
                                 ranges[i - 1].name, ranges[i].name, ranges[i].begin));
    }
  }
  return Status::Ok();
}

Status CheckFields(const gemel_model& table) {
  if (table.fields_count > kFieldsMax || (table.fields_count > 0 && table.fields == nullptr)) {
    return Invalid(fmt::format("model {}: {} fields; at most {} are allowed", table.name,
                               table.fields_count, kFieldsMax));
  }
  std::vector<std::string_view> names = {"id", "age_ms"};  // columns that every model has
  for (size_t i = 0; i < table.fields_count; ++i) {
    const gemel_field& field = table.fields[i];
    if (!IsName(field.name, kFieldNameBytesMax)) {
      return Invalid(
          fmt::format("model {}: the name of field {} must match [a-z][a-z0-9_]*", table.name, i));
    }
    if (std::ranges::find(names, field.name) != names.end()) {
      return Invalid(fmt::format("field {}: the name is taken", field.name));
    }
    names.emplace_back(field.name);
    if (field.unit == nullptr || field.meaning == nullptr) {
      return Invalid(
          fmt::format("field {}: unit and meaning must be given; \"\" is a unit", field.name));
    }
    if (field.source < GEMEL_FROM_TELEMETRY || field.source > GEMEL_FROM_MODEL) {
      return Invalid(fmt::format("field {}: source {} does not exist", field.name, field.source));
    }
    GEMEL_TRY(CheckPlace(field, table.state_size));
  }
  return CheckOverlaps(table);
}

Status CheckHead(const gemel_model& table) {
  if (table.abi_version != GEMEL_ABI_VERSION) {
    return Invalid(
        fmt::format("built for ABI version {}; this gateway runs version {}: rebuild the model",
                    table.abi_version, GEMEL_ABI_VERSION));
  }
  if (table.struct_size < kModelBytesMin) {
    return Invalid(fmt::format("its gemel_model has {} bytes; at least {} are needed",
                               table.struct_size, kModelBytesMin));
  }
  if (!IsName(table.name, kFieldNameBytesMax)) {
    return Invalid("the model's name must match [a-z][a-z0-9_]* and have at most 64 characters");
  }
  return Status::Ok();
}

Status CheckBody(const gemel_model& table) {
  if (table.destroy == nullptr || table.on_init == nullptr || table.on_telemetry == nullptr) {
    return Invalid(fmt::format("model {}: a function is missing from its table", table.name));
  }
  if (table.state_size == 0 || table.state_size > kStateBytesMax) {
    return Invalid(fmt::format("model {}: a state of {} bytes; 1 to {} are allowed", table.name,
                               table.state_size, kStateBytesMax));
  }
  if (!std::has_single_bit(table.state_align) || table.state_align > 16) {
    return Invalid(fmt::format("model {}: state alignment {}; 1, 2, 4, 8 and 16 are allowed",
                               table.name, table.state_align));
  }
  return CheckFields(table);
}

}  // namespace

Status CheckTable(const gemel_model& table) {
  GEMEL_TRY(CheckHead(table));
  if (table.create == nullptr || table.construct == nullptr) {
    return Invalid(fmt::format("model {}: a function is missing from its table", table.name));
  }
  return CheckBody(table);
}

Status CheckInterpreted(const gemel_model& table) {
  GEMEL_TRY(CheckHead(table));
  return CheckBody(table);
}

}  // namespace gemel::model
