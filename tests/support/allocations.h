#pragma once

#include <cstddef>

namespace gemel::support {

// Calls of operator new in this process so far, by any thread. Linking gemel_allocations replaces
// the global operators, so only tests that show what does not allocate do it.
size_t Allocations();

}  // namespace gemel::support
