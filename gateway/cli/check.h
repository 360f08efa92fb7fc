#pragma once

namespace gemel::cli {

// `gemel check CONFIGURATION`: does what `run` does before it connects to anything, and prints what
// is worth knowing about the result. Exit codes: 0 accepted, 1 not accepted, 3 unreadable; then one
// line on stderr says why.
int CheckMain(int count, const char* const* arguments);

}  // namespace gemel::cli
