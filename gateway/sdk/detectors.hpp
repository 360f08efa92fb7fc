#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/layout.hpp"
#include "gateway/sdk/types.hpp"
#include "gateway/sdk/windows.hpp"

// Detectors of what is out of the ordinary, in a fixed number of bytes: members of the state,
// declared by window(). Each judges a reading by what came before it, then learns from it. A number
// that is not IsMeasurable is ignored. Settings are arguments: keep them in the model. For raise
// and clear with what they say, see alarm.hpp.
namespace gemel {

// How many deviations a reading lies from the moving mean: Shewhart's chart on an Ewma. Settings:
// `tau`, how long the past counts; `deviation_min`, in the unit of the value, below which noise is
// none; `warm_up`, how many readings are only learnt from. O(1), one exp; 32 bytes. A late reading
// is ignored.
class ZScore {
 public:
  static constexpr const char* kLayout = "z_score/1";
  struct Settings {
    Duration tau;
    double deviation_min = 1e-9;
    uint64_t warm_up = 30;
  };

  constexpr ZScore() = default;
  // Negative below the mean; nothing while it warms up, and for one that is ignored.
  std::optional<double> Add(Time at, double value, const Settings& settings) {
    if (!IsMeasurable(value) || at <= ewma_.at()) return std::nullopt;
    std::optional<double> score;
    if (count_ >= settings.warm_up && count_ > 0) {
      score = (value - ewma_.mean()) / std::max(ewma_.deviation(), settings.deviation_min);
    }
    ewma_.Add(at, value, settings.tau);
    ++count_;
    return score;
  }
  const Ewma& baseline() const { return ewma_; }

 private:
  Ewma ewma_;
  uint64_t count_ = 0;
};

// A reading that stands alone: further than `limit` deviations from the median of the last
// kCapacity, where a deviation is 1.4826 times the median distance from it, so that spikes do not
// hide each other: Hampel's identifier (Journal of the American Statistical Association 69, 1974).
// O(kCapacity^2) at worst, so for few; 4 * kCapacity + 8 bytes, values kept as float. Late readings
// count as any other.
template <uint32_t kCapacity = 15>
class Spike {
 public:
  static_assert(kCapacity >= 5 && kCapacity <= 63 && kCapacity % 2 == 1);
  static constexpr auto kLayoutText = MakeLayout("spike", "", {kCapacity}, 1);
  static constexpr const char* kLayout = kLayoutText.data();
  struct Settings {
    double limit = 5;
    double deviation_min = 1e-9;  // in the unit of the value
  };

  constexpr Spike() = default;
  // Whether it is one; never before the ring is full.
  bool Add(double value, const Settings& settings) {
    if (!IsMeasurableFloat(value)) return false;
    bool is_spike = false;
    if (ring_.is_full()) {
      float sorted[kCapacity];
      for (uint32_t i = 0; i < kCapacity; ++i) sorted[i] = ring_[i];
      const double median = MedianOf(sorted);
      for (float& each : sorted) each = static_cast<float>(std::abs(each - median));
      const double deviation = std::max(1.4826 * MedianOf(sorted), settings.deviation_min);
      is_spike = std::abs(value - median) > settings.limit * deviation;
    }
    ring_.Add(static_cast<float>(value));
    return is_spike;
  }

 private:
  static double MedianOf(float (&values)[kCapacity]) {
    for (uint32_t i = 1; i < kCapacity; ++i) {
      const float value = values[i];
      uint32_t at = i;
      for (; at > 0 && values[at - 1] > value; --at) values[at] = values[at - 1];
      values[at] = value;
    }
    return values[kCapacity / 2];
  }

  Ring<float, kCapacity> ring_;
};

// Whether a value rises, falls or stays, and when that changes: level and slope by Holt's linear
// smoothing (1957; International Journal of Forecasting 20, 2004), with weights by elapsed time for
// irregular readings as in Wright (Management Science 32, 1986). Settings: `tau` of level and of
// slope; a trend begins beyond `slope` (units a second) and ends below half of it, so that it does
// not flap. O(1), two exp; 32 bytes. A late reading is ignored.
class TrendChange {
 public:
  static constexpr const char* kLayout = "trend_change/1";
  enum class Trend : int32_t { kFalls = -1, kFlat = 0, kRises = 1 };
  struct Settings {
    Duration tau_level;
    Duration tau_slope;
    double slope = 0;
    uint32_t warm_up = 10;
  };

  constexpr TrendChange() = default;
  // The new trend, where this reading changes it. REQUIRES: both tau > 0
  std::optional<Trend> Add(Time at, double value, const Settings& settings) {
    if (!IsMeasurable(value) || at <= at_) return std::nullopt;
    if (at_ == kNoTime) {
      level_ = value;
    } else {
      const auto elapsed = static_cast<double>((at - at_).count());
      const double seconds = elapsed / 1e6;
      const double before = level_;
      const double expected = level_ + slope_ * seconds;
      level_ = expected + Weight(elapsed, settings.tau_level) * (value - expected);
      slope_ += Weight(elapsed, settings.tau_slope) * ((level_ - before) / seconds - slope_);
    }
    at_ = at;
    if (count_ < settings.warm_up) {
      ++count_;
      return std::nullopt;
    }
    const Trend now = Judge(settings.slope);
    if (now == trend_) return std::nullopt;
    trend_ = now;
    return now;
  }
  Trend trend() const { return trend_; }
  // Units a second, now.
  double slope() const { return slope_; }
  double level() const { return level_; }

 private:
  static double Weight(double elapsed_us, Duration tau) {
    return -std::expm1(-elapsed_us / static_cast<double>(tau.count()));
  }
  Trend Judge(double limit) const {
    if (slope_ > limit) return Trend::kRises;
    if (slope_ < -limit) return Trend::kFalls;
    const bool stays = (trend_ == Trend::kRises && slope_ > limit / 2) ||
                       (trend_ == Trend::kFalls && slope_ < -limit / 2);
    return stays ? trend_ : Trend::kFlat;
  }

  double level_ = 0;
  double slope_ = 0;
  Time at_ = kNoTime;
  Trend trend_ = Trend::kFlat;
  uint32_t count_ = 0;
};

// Which way a mean has moved.
enum class Shift : int8_t { kDown = -1, kNone = 0, kUp = 1 };

// A small lasting shift of the mean from a target that is known: the tabular CUSUM of Page
// (Biometrika 41, 1954), as in Montgomery, "Introduction to statistical quality control",
// chapter 9. Settings in the unit of the value: `slack` (k), half the shift to be found; `limit`
// (h), four or five deviations. O(1); 24 bytes. Order matters: leave late readings out.
class Cusum {
 public:
  static constexpr const char* kLayout = "cusum/1";
  struct Settings {
    double target = 0;
    double slack = 0;
    double limit = 0;
  };

  constexpr Cusum() = default;
  // Beyond the limit, with every reading while it lasts; Reset once it was acted upon.
  Shift Add(double value, const Settings& settings) {
    if (!IsMeasurable(value)) return Shift::kNone;
    const double off = value - settings.target;
    up_ = std::max(0.0, up_ + off - settings.slack);
    down_ = std::max(0.0, down_ - off - settings.slack);
    for_up_ = up_ > 0 ? for_up_ + 1 : 0;
    for_down_ = down_ > 0 ? for_down_ + 1 : 0;
    if (up_ > settings.limit) return Shift::kUp;
    return down_ > settings.limit ? Shift::kDown : Shift::kNone;
  }
  void Reset() { *this = {}; }
  double up() const { return up_; }
  double down() const { return down_; }
  // How many readings ago the shift most likely began.
  uint32_t readings(Shift shift) const {
    if (shift == Shift::kNone) return 0;
    return shift == Shift::kUp ? for_up_ : for_down_;
  }

 private:
  double up_ = 0;
  double down_ = 0;
  uint32_t for_up_ = 0;
  uint32_t for_down_ = 0;
};

// A lasting shift of the mean from what it was so far, without a target: Page and Hinkley's test
// (Hinkley, Biometrika 58, 1971), as in Gama et al., "A survey on concept drift adaptation" (2014).
// Settings in the unit of the value: `tolerance` (delta), what is no shift; `limit` (lambda). It
// begins anew by itself once it has found one. O(1); 48 bytes. Order matters: leave late readings
// out.
class PageHinkley {
 public:
  static constexpr const char* kLayout = "page_hinkley/1";
  struct Settings {
    double tolerance = 0;
    double limit = 0;
    uint64_t warm_up = 30;
  };

  constexpr PageHinkley() = default;
  Shift Add(double value, const Settings& settings) {
    if (!IsMeasurable(value)) return Shift::kNone;
    ++count_;
    mean_ += (value - mean_) / static_cast<double>(count_);
    up_ += value - mean_ - settings.tolerance;
    up_min_ = std::min(up_min_, up_);
    down_ += value - mean_ + settings.tolerance;
    down_max_ = std::max(down_max_, down_);
    if (count_ <= settings.warm_up) return Shift::kNone;
    Shift found = Shift::kNone;
    if (up_ - up_min_ > settings.limit) found = Shift::kUp;
    if (found == Shift::kNone && down_max_ - down_ > settings.limit) found = Shift::kDown;
    if (found != Shift::kNone) *this = {};
    return found;
  }
  double mean() const { return count_ > 0 ? mean_ : kNoNumber; }

 private:
  uint64_t count_ = 0;
  double mean_ = 0;
  double up_ = 0;
  double up_min_ = 0;
  double down_ = 0;
  double down_max_ = 0;
};

// What is usual at this time of the day or week: mean and variance of each of kSlots parts of a
// period, such as 24 hours or 168. The mean of the first readings of a slot, then one that forgets:
// the seasonal part of Winters (Management Science 6, 1960) with Finch's variance (2009). Settings:
// `period`; `begin`, when one began, such as a Monday's midnight where the device is; `weight` that
// a reading has once a slot knows more than 1 / weight; `warm_up` readings a slot. O(1); 12 *
// kSlots bytes, values kept as float. A late reading counts in its own slot.
template <uint32_t kSlots>
class Seasonal {
 public:
  static_assert(kSlots > 0);
  static constexpr auto kLayoutText = MakeLayout("seasonal", "", {kSlots}, 1);
  static constexpr const char* kLayout = kLayoutText.data();
  struct Settings {
    Duration period = std::chrono::hours(24);
    Time begin = Time{Duration{0}};
    double weight = 0.05;
    double deviation_min = 1e-9;
    uint32_t warm_up = 5;
  };

  constexpr Seasonal() = default;
  // How many deviations it lies from what is usual; nothing while its slot warms up.
  // REQUIRES: period >= kSlots us
  std::optional<double> Add(Time at, double value, const Settings& settings) {
    if (!IsMeasurableFloat(value)) return std::nullopt;
    Slot& slot = slots_[SlotOf(at, settings)];
    const double step = value - static_cast<double>(slot.mean);
    std::optional<double> score;
    if (slot.count >= settings.warm_up && slot.count > 0) {
      score =
          step / std::max(std::sqrt(static_cast<double>(slot.variance)), settings.deviation_min);
    }
    if (slot.count < UINT32_MAX) ++slot.count;
    const double weight = std::max(1.0 / slot.count, settings.weight);
    slot.mean = static_cast<float>(slot.mean + weight * step);
    slot.variance = static_cast<float>((1 - weight) *
                                       (static_cast<double>(slot.variance) + weight * step * step));
    return score;
  }
  // kNoNumber where nothing is known yet.
  double Usual(Time at, const Settings& settings) const {
    const Slot& slot = slots_[SlotOf(at, settings)];
    return slot.count > 0 ? static_cast<double>(slot.mean) : kNoNumber;
  }

 private:
  struct Slot {
    float mean = 0;
    float variance = 0;
    uint32_t count = 0;
  };
  static uint32_t SlotOf(Time at, const Settings& settings) {
    int64_t into = (at - settings.begin).count() % settings.period.count();
    if (into < 0) into += settings.period.count();
    // A period is at most some years, so this does not overflow.
    const auto slot = static_cast<uint32_t>(into / (settings.period.count() / int64_t{kSlots}));
    return std::min(slot, kSlots - 1);
  }

  Slot slots_[kSlots] = {};
};

static_assert(sizeof(ZScore) == 32 && sizeof(Spike<15>) == 68 && sizeof(TrendChange) == 32);
static_assert(sizeof(Cusum) == 24 && sizeof(PageHinkley) == 48 && sizeof(Seasonal<168>) == 2'016);

}  // namespace gemel
