#pragma once

namespace gemel::cli {

// gemel record FOLDER [--config FILE] [--for DURATION].
int RecordMain(int count, const char* const* arguments);

}  // namespace gemel::cli
