#pragma once

#include <cstddef>

namespace gemel::support {

// Calls of operator new (under sanitizers: of malloc too) in this process so far, by any thread.
// Linking gemel_allocations replaces the global operators, so only tests that show what does not
// allocate do it.
size_t Allocations();

}  // namespace gemel::support
