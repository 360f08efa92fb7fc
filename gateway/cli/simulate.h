#pragma once

namespace gemel::cli {

// `gemel simulate --model truck --count N --broker URI`: runs the device models of a plug-in
// against a broker until the time is up, SIGINT or SIGTERM, and prints one line on stdout:
// `simulate sent=… acknowledged=… commands=… p50_ms=… p99_ms=… seconds=…`. Exit codes: 0 all was
// acknowledged, 2 usage, 3 otherwise; then one line on stderr says why.
int SimulateMain(int argc, const char* const* argv);

}  // namespace gemel::cli
