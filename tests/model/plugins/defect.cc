#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "gateway/sdk/model.h"

// A plug-in written against the C interface alone, with the defect that its build names.
namespace {

constexpr std::string_view kDefect = GEMEL_TEST_DEFECT;

struct State {
  double value = 0;
  int64_t value_at_us = GEMEL_NO_TIME;
  double limit = 0;
};

const gemel_model* MakeTable() {
  static gemel_field fields[] = {
      {"value", "degC", "Measured.", GEMEL_DOUBLE, GEMEL_FROM_TELEMETRY, 0, 8, 8, 0, nullptr},
      {"limit", "degC", "Allowed.", GEMEL_DOUBLE, GEMEL_FROM_MODEL, 16, 8, GEMEL_NO_OFFSET, 0,
       nullptr}};
  static gemel_model table = {GEMEL_ABI_VERSION,
                              sizeof(gemel_model),
                              "defect",
                              "A model with a defect.",
                              sizeof(State),
                              alignof(State),
                              fields,
                              2,
                              [](const gemel_setup*) -> void* {
                                static int object = 0;
                                if (kDefect == "create_escape")
                                  throw std::runtime_error("out of create");
                                return &object;
                              },
                              [](void*) {},
                              [](void* state) { *static_cast<State*>(state) = State{}; },
                              [](const void*, void*, gemel_context*) { return 0; },
                              [](const void*, void* state, const gemel_message*, gemel_context*) {
                                static_cast<State*>(state)->limit = 1;
                                if (kDefect == "escape")
                                  throw std::runtime_error("out of the plug-in");
                                if (kDefect == "escape_int") throw 7;
                                return 0;
                              },
                              nullptr};
  if (kDefect == "abi") table.abi_version = 999;
  if (kDefect == "small") table.struct_size = 16;
  if (kDefect == "overlap") fields[1].offset = 8;
  if (kDefect == "overlong") fields[1].offset = 24;
  if (kDefect == "field_name") fields[1].name = "Limit C";
  if (kDefect == "model_name") table.name = "my-model";
  if (kDefect == "untimed") fields[0].time_offset = GEMEL_NO_OFFSET;
  return &table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const gemel_model* gemel_plugin() {
  if (kDefect == "null") return nullptr;
  if (kDefect == "throws") throw std::runtime_error("out of gemel_plugin");
  return MakeTable();
}
