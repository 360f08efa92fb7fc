#pragma once

namespace gemel::cli {

// gemel import FILE [--config FILE] [--replace].
int ImportMain(int count, const char* const* arguments);

}  // namespace gemel::cli
