#pragma once

namespace gemel::cli {

// `gemel set`: sets profile fields of a twin of a running gateway. Returns the exit code.
int SetMain(int count, const char* const* arguments);

}  // namespace gemel::cli
