#pragma once

namespace gemel {

// Prints what was asserted and where to stderr and aborts. systemd restarts the process and the
// journal restores its state, so stopping is safer than going on with a broken invariant.
[[noreturn]] void AssertFailed(const char* expression, const char* file, int line) noexcept;

}  // namespace gemel

// For our own bugs only, on in release builds too. Never for bytes that someone sent.
#define GEMEL_ASSERT(expression)                              \
  (__builtin_expect(!!(expression), 1) ? static_cast<void>(0) \
                                       : ::gemel::AssertFailed(#expression, __FILE__, __LINE__))
