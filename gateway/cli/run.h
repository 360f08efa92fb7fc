#pragma once

namespace gemel::cli {

// `gemel run [CONFIGURATION]`: the gateway in the foreground until SIGTERM or SIGINT. Prints the
// line `ready http=… mqtt=… twins=…` on stdout once everything accepts. Exit codes: 0 stopped
// cleanly, 2 usage, 3 could not start or left effects unsent; then one line on stderr says why.
int RunMain(int argc, const char* const* argv);

}  // namespace gemel::cli
