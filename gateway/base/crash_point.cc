#include "gateway/base/crash_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace gemel {
namespace {

struct Plan {
  std::string name;
  uint64_t passes = 1;
};

Plan ReadPlan() {
  const char* const text = std::getenv("GEMEL_CRASH_AT");
  if (text == nullptr) return {};
  const std::string_view plan(text);
  const size_t colon = plan.find(':');
  Plan read{.name = std::string(plan.substr(0, colon))};
  if (colon != std::string_view::npos)
    std::from_chars(plan.data() + colon + 1, plan.data() + plan.size(), read.passes);
  return read;
}

const Plan& ThePlan() {
  static const Plan kPlan = ReadPlan();
  return kPlan;
}

}  // namespace

namespace crash_point_internal {

const bool kIsArmed = !ThePlan().name.empty();

void Pass(std::string_view name) noexcept {
  static std::atomic<uint64_t> passed{0};
  if (name != ThePlan().name || ++passed < ThePlan().passes) return;
  ::kill(::getpid(), SIGKILL);
  ::pause();  // until the signal has come
}

}  // namespace crash_point_internal
}  // namespace gemel
