#pragma once

namespace gemel::cli {

// gemel why ALERT-ID: tells what led to an alert.
int WhyMain(int count, const char* const* arguments);

}  // namespace gemel::cli
