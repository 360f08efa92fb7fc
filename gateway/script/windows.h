#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lua.hpp>

#include "gateway/sdk/model.h"

namespace gemel::script {

// A window or detector of the SDK as a type of a script's field, in one size.
struct WindowKind {
  std::string_view type;  // of the field
  uint32_t size;          // 0: it has one size only
  const char* layout;
  uint32_t bytes;
  void (*construct)(std::byte* state);
  const luaL_Reg* methods;  // ends with a null
};

// Where a window may begin in a state.
inline constexpr uint32_t kWindowAlign = 8;

// nullptr if no field is of such a type, or not in this size.
const WindowKind* FindWindow(std::string_view type, uint32_t size);
// The sizes that a type comes in; empty if no window is called so.
std::vector<uint32_t> WindowSizes(std::string_view type);

// Makes an object for each window among the fields, which outlive the Lua state.
void BindWindows(lua_State* lua, std::span<const gemel_field> fields);
// Pushes the object of a field. REQUIRES: it is a window, and bound
void PushWindow(lua_State* lua, const gemel_field& field);

}  // namespace gemel::script
