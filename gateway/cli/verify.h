#pragma once

namespace gemel::cli {

// `gemel verify CONFIGURATION`: reads the twins' database and the journal of a gateway from the
// first byte to the last, and says what they hold. The gateway may run: it is read what is written
// by then, and said so. Exit codes: 0 whole, 1
// damaged, 3 unreadable; then one line on stderr says what and where.
int VerifyMain(int count, const char* const* arguments);

}  // namespace gemel::cli
