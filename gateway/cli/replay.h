#pragma once

namespace gemel::cli {

// `gemel replay FILE --map MAP.json --broker URI`: publishes the rows of a recorded set and waits
// until the broker has acknowledged all. On stdout one line, `replay sent=… acknowledged=…
// skipped=… seconds=…`, or with --json an object; on a terminal a progress bar on stderr. Exit
// codes as in verbs.h.
int ReplayMain(int argc, const char* const* argv);

}  // namespace gemel::cli
