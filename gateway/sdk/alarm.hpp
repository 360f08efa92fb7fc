#pragma once

#include "gateway/sdk/model.hpp"

// Alerts that follow a condition: raised when it begins to hold, cleared when it ends.
//
//   constexpr Alarm kTooWarm{Severity::kMajor, "too_warm", "Warmer than its limit"};
//   Follow(context, state.is_warm, state.temperature_c.value() > limit_c_, kTooWarm);
namespace gemel {

struct Alarm {
  Severity severity;
  const char* code;  // [a-z0-9_]+
  const char* message;
};

// `is_raised` is the twin's memory: a bool of its state that nothing else writes. Between the two
// moments nothing is sent, so a calm twin costs nothing. True if this call raised the alert.
inline bool Follow(Context& context, bool& is_raised, bool is_so, const Alarm& alarm,
                   Arguments properties = {}) {
  if (is_so == is_raised) return false;
  is_raised = is_so;
  if (is_so) {
    context.raise(alarm.severity, alarm.code, alarm.message, properties);
  } else {
    context.clear(alarm.code);
  }
  return is_so;
}

}  // namespace gemel
