#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/sdk/alarm.hpp"

// Alerts that follow a condition over time: it must hold for a while, happen so often, or grow
// worse the longer it lasts. What is remembered of one is a field of a byte; all else is timers,
// which are saved with the twin and fire alike in a replay.
//
//   constexpr Condition kTooWarm{.alarm = {Severity::kMinor, "too_warm", "Warmer than its limit"},
//                                .hold = 30s,
//                                .clear_after = 1min,
//                                .steps = {{{10min, Severity::kMajor}, {1h,
//                                Severity::kCritical}}}};
//
//   Watch warm = Watch::kCalm;                                       // in the state
//   computed(&State::warm, "warm", kWatchNames, "Whether it is too warm."),  // in the field table
//   bool is_above = Hysteresis(state.is_above, temperature_c, 8, 6);
//   Follow(context, state.warm, is_above, kTooWarm);                 // in on_telemetry
//   if (OnTimer(context, state.warm, name, kTooWarm)) return;        // in on_timer
namespace gemel {

// True from above `on` until below `off`, or, where `off` is the greater one, from below `on` until
// above `off`; in between, and without a number, as it was. `is_so` is a bool of the state.
inline bool Hysteresis(bool& is_so, double value, double on, double off) {
  const bool is_high = off <= on;
  if (is_high ? value > on : value < on) {
    is_so = true;
  } else if (is_high ? value < off : value > off) {
    is_so = false;
  }
  return is_so;
}

// What becomes of an alert with time: so long after the raise, or after the step before, it is
// raised with this severity, worse or milder.
struct Step {
  Duration after{0};  // zero: there is no such step
  Severity severity = Severity::kInfo;
};
inline constexpr size_t kStepsMax = 4;

// Needs two timers, named like the alarm's code, and that with _step behind it, which nothing else
// of the model may set; a code that is to have steps has at most 59 bytes.
struct Condition {
  Alarm alarm;
  Duration hold{0};         // for which it must be so, without a break, before it is raised
  Duration clear_after{0};  // and for which it must not be so before it is cleared
  std::array<Step, kStepsMax> steps{};
};

// The twin's memory of a condition: a field of its state that nothing else writes. The numbers
// count the steps that were taken.
enum class Watch : uint8_t {
  kCalm,
  kHeld,  // it is so, but not for long enough
  kRaised,
  kRaised1,
  kRaised2,
  kRaised3,
  kRaised4,
  kEnding,  // it is raised and not so any more, but not for long enough
  kEnding1,
  kEnding2,
  kEnding3,
  kEnding4,
};
inline constexpr const char* kWatchNames[] = {"calm",     "held",     "raised",   "raised_1",
                                              "raised_2", "raised_3", "raised_4", "ending",
                                              "ending_1", "ending_2", "ending_3", "ending_4"};

namespace condition_internal {

// A code with something behind it, on the stack.
class Name {
 public:
  Name(std::string_view code, std::string_view rest) {
    Add(code);
    Add(rest);
  }
  std::string_view view() const { return {text_, size_}; }

 private:
  void Add(std::string_view text) {
    const size_t count = std::min(text.size(), sizeof text_ - size_);
    std::copy_n(text.data(), count, text_ + size_);
    size_ += count;
  }
  char text_[80];
  size_t size_ = 0;
};

inline bool IsEnding(Watch watch) { return watch >= Watch::kEnding; }
inline bool IsRaised(Watch watch) { return watch >= Watch::kRaised && !IsEnding(watch); }
inline size_t StepsTaken(Watch watch) {
  return static_cast<size_t>(watch) -
         static_cast<size_t>(IsEnding(watch) ? Watch::kEnding : Watch::kRaised);
}
inline Watch After(Watch first, size_t steps) {
  return static_cast<Watch>(static_cast<size_t>(first) + steps);
}

inline void ArmStep(Context& context, const Condition& condition, size_t taken) {
  if (taken >= kStepsMax || condition.steps[taken].after <= Duration::zero()) return;
  context.set_timer(Name(condition.alarm.code, "_step").view(), condition.steps[taken].after);
}

inline void Raise(Context& context, Watch& watch, const Condition& condition,
                  Arguments properties) {
  watch = Watch::kRaised;
  context.raise(condition.alarm.severity, condition.alarm.code, condition.alarm.message,
                properties);
  ArmStep(context, condition, 0);
}

inline void Clear(Context& context, Watch& watch, const Condition& condition) {
  watch = Watch::kCalm;
  context.clear(condition.alarm.code);
  if (condition.steps[0].after > Duration::zero())
    context.cancel_timer(Name(condition.alarm.code, "_step").view());
}

inline bool TakeStep(Context& context, Watch& watch, const Condition& condition,
                     Arguments properties) {
  const bool is_active = IsRaised(watch) || IsEnding(watch);
  const size_t taken = is_active ? StepsTaken(watch) : kStepsMax;
  if (taken >= kStepsMax) return true;
  watch = After(watch, 1);
  context.raise(condition.steps[taken].severity, condition.alarm.code, condition.alarm.message,
                properties);
  ArmStep(context, condition, taken + 1);
  return true;
}

}  // namespace condition_internal

// To be called with each message that says whether it is so. While nothing changes it does nothing,
// so a calm twin costs nothing. True if this call raised the alert.
inline bool Follow(Context& context, Watch& watch, bool is_so, const Condition& condition,
                   Arguments properties = {}) {
  namespace in = condition_internal;
  if (watch == Watch::kCalm) {
    if (!is_so) return false;
    if (condition.hold <= Duration::zero()) {
      in::Raise(context, watch, condition, properties);
      return true;
    }
    watch = Watch::kHeld;
    context.set_timer(condition.alarm.code, condition.hold);
  } else if (watch == Watch::kHeld) {
    if (is_so) return false;
    watch = Watch::kCalm;
    context.cancel_timer(condition.alarm.code);
  } else if (in::IsRaised(watch) && !is_so) {
    if (condition.clear_after <= Duration::zero()) {
      in::Clear(context, watch, condition);
    } else {
      watch = in::After(Watch::kEnding, in::StepsTaken(watch));
      context.set_timer(condition.alarm.code, condition.clear_after);
    }
  } else if (in::IsEnding(watch) && is_so) {
    watch = in::After(Watch::kRaised, in::StepsTaken(watch));
    context.cancel_timer(condition.alarm.code);
  }
  return false;
}

// To be called for each timer. True if it was one of this condition, and is dealt with.
inline bool OnTimer(Context& context, Watch& watch, std::string_view timer,
                    const Condition& condition, Arguments properties = {}) {
  namespace in = condition_internal;
  if (timer == in::Name(condition.alarm.code, "_step").view())
    return in::TakeStep(context, watch, condition, properties);
  if (timer != condition.alarm.code) return false;
  if (watch == Watch::kHeld) {
    in::Raise(context, watch, condition, properties);
  } else if (in::IsEnding(watch)) {
    in::Clear(context, watch, condition);
  }
  return true;
}

// Something that counts only if it happens so often within so long: "3 times in 10 minutes".
//
//   constexpr Often kFlapping{"flap", 3, 10min};
//   Happened(context, state.flaps, kFlapping);                       // whenever it does
//   Follow(context, state.flapping, IsOften(context, kFlapping), kFlappingAlarm);
//   if (IsOf(name, kFlapping)) Follow(context, state.flapping, IsOften(context, kFlapping), …);
//
// A timer for each of the last `times` times, flap_0, flap_1 and so on, runs as long as that one
// counts. So it is exact, and a field of eight bytes is all the state that it needs.
struct Often {
  const char* name;  // [a-z0-9_]+, at most 60 bytes; begins the names of its timers
  uint32_t times;    // 1 to 10
  Duration within;
};

namespace condition_internal {

inline Name NameOf(const Often& often, int64_t number) {
  const char digits[] = {'_', static_cast<char>('0' + number % often.times)};
  return Name(often.name, {digits, sizeof digits});
}

}  // namespace condition_internal

// It has happened. `count` is the twin's memory, a field of its state that nothing else writes: how
// often that was since ever.
inline void Happened(Context& context, int64_t& count, const Often& often) {
  context.set_timer(condition_internal::NameOf(often, count).view(), often.within);
  ++count;
}

// Whether it has happened so often by now.
inline bool IsOften(const Context& context, const Often& often) {
  for (uint32_t i = 0; i < often.times; ++i) {
    if (!context.has_timer(condition_internal::NameOf(often, i).view())) return false;
  }
  return true;
}

// Whether a timer says that one of the times counts no more.
inline bool IsOf(std::string_view timer, const Often& often) {
  for (uint32_t i = 0; i < often.times; ++i) {
    if (timer == condition_internal::NameOf(often, i).view()) return true;
  }
  return false;
}

}  // namespace gemel
