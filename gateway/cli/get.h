#pragma once

namespace gemel::cli {

// `gemel get MODEL/ID`: one twin with its state, profile and alerts. Exit codes: 1 no such twin,
// 3 the gateway can't be reached.
int GetMain(int count, const char* const* arguments);

}  // namespace gemel::cli
