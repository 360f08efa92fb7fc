#include "gateway/sdk/model.h"

/* A plug-in of a future that this gateway does not know. */
__attribute__((visibility("default"))) const gemel_model* gemel_plugin(void) {
  static const gemel_model kModel = {.abi_version = 999, .struct_size = sizeof(gemel_model), .name = "old_abi"};
  return &kModel;
}
