#pragma once

namespace gemel::cli {

// gemel alerts [list|ack|history]: what is wrong now, taking it on, and what was wrong.
int AlertsMain(int count, const char* const* arguments);

}  // namespace gemel::cli
