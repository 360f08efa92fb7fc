#pragma once

namespace gemel::cli {

// `gemel repair --config FILE [--yes]`: says what is damaged in the journal and the twins' database
// of a gateway that is stopped, and what of it is lost; with --yes makes of what is whole a journal
// that opens again, and moves a database away that the journal can build again. What was damaged is
// kept under another name. Exit codes: 0 whole, or repaired; 1 damaged, nothing was changed; 3 it
// failed, or cannot be done.
int RepairMain(int count, const char* const* arguments);

}  // namespace gemel::cli
