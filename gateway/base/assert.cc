#include "gateway/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace gemel {

void AssertFailed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace gemel
