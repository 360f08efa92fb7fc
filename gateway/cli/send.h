#pragma once

namespace gemel::cli {

// Sends a command to the device of a twin.
int SendMain(int count, const char* const* arguments);

}  // namespace gemel::cli
