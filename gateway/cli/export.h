#pragma once

namespace gemel::cli {

// gemel export [--config FILE] [--model NAME] [--database FILE]: the twins as JSON lines, or as a
// copy of the database.
int ExportMain(int count, const char* const* arguments);

}  // namespace gemel::cli
