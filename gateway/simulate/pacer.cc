#include "gateway/simulate/pacer.h"

#include <algorithm>

namespace gemel::simulate {

using std::chrono::nanoseconds;

nanoseconds Pacer::WaitFor(Time next, uint64_t sent, nanoseconds elapsed) const {
  double due_ns = 0;
  if (pace_.speed) due_ns = static_cast<double>((next - start_).count()) * 1e3 / *pace_.speed;
  if (pace_.rate) due_ns = std::max(due_ns, static_cast<double>(sent) * 1e9 / *pace_.rate);
  // A year is longer than anybody waits, and fits.
  const double wait_ns = std::clamp(due_ns - static_cast<double>(elapsed.count()), 0.0, 3.2e16);
  return nanoseconds(static_cast<int64_t>(wait_ns));
}

std::optional<Time> Pacer::VirtualNow(nanoseconds elapsed) const {
  if (!pace_.speed || pace_.rate) return std::nullopt;
  const double passed_us = static_cast<double>(elapsed.count()) / 1e3 * *pace_.speed;
  return start_ + Duration(static_cast<int64_t>(passed_us));
}

}  // namespace gemel::simulate
