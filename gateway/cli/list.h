#pragma once

namespace gemel::cli {

// `gemel list MODEL`: its twins by id. As a table, which drops the fields that don't fit the
// terminal and says so, or as a JSON array. Exit codes: 1 no such model, 3 the gateway can't be
// reached.
int ListMain(int count, const char* const* arguments);

}  // namespace gemel::cli
