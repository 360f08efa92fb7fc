#pragma once

#include "tests/fuzz/fuzz.h"

// The entry that libFuzzer looks for, where the program is built for it.
#ifdef GEMEL_FUZZ
#define GEMEL_FUZZ_ENTRY(function)                                          \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    return function(data, size);                                            \
  }
#else
#define GEMEL_FUZZ_ENTRY(function)
#endif
