#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/layout.hpp"
#include "gateway/sdk/types.hpp"

// What a twin remembers of its last readings, in a fixed number of bytes: a member of the state,
// declared by window(). All of them take event time, so that a replay comes to the same, and say
// below what a late reading does. All ignore a number that is not IsMeasurable. Settings (widths,
// time constants) are arguments: keep them in the model, which may change them, not in the state.
namespace gemel {

// Whether windows and detectors take the number: its square must be one, too. No NaN is.
constexpr bool IsMeasurable(double value) { return value >= -1e150 && value <= 1e150; }
// The same for those that keep a float.
constexpr bool IsMeasurableFloat(double value) { return value >= -1e18 && value <= 1e18; }

// A number with its event time, as an element of a Ring.
struct Reading {
  static constexpr const char* kName = "reading";
  Time at = kNoTime;
  double value = kNoNumber;
};

// The last kCapacity values in the order in which they came. O(1) to add; kCapacity * sizeof(T) + 8
// bytes. Late values: as any other, so ask message.is_late() first if the order matters.
template <typename T, uint32_t kCapacity>
class Ring {
 public:
  static_assert(kCapacity > 0);
  static constexpr auto kLayoutText = MakeLayout("ring", ElementName<T>(), {kCapacity}, 1);
  static constexpr const char* kLayout = kLayoutText.data();

  constexpr Ring() = default;
  void Add(const T& value) {
    values_[next_] = value;
    next_ = next_ + 1 == kCapacity ? 0 : next_ + 1;
    if (size_ < kCapacity) ++size_;
  }
  uint32_t size() const { return size_; }
  bool is_full() const { return size_ == kCapacity; }
  // From the oldest, 0, to the newest, size() - 1. REQUIRES: age < size()
  const T& operator[](uint32_t index) const {
    const uint32_t at = (is_full() ? next_ : 0) + index;
    return values_[at < kCapacity ? at : at - kCapacity];
  }
  // REQUIRES: size() > 0
  const T& newest() const { return values_[(next_ == 0 ? kCapacity : next_) - 1]; }

 private:
  T values_[kCapacity] = {};
  uint32_t size_ = 0;
  uint32_t next_ = 0;
};

// Count, sum, extremes, mean and variance of numbers. By Welford's update (Technometrics 4, 1962),
// which does not cancel where the mean is large; two of them are merged by Chan, Golub and LeVeque
// (1979). O(1); 40 bytes.
class Moments {
 public:
  static constexpr const char* kLayout = "moments/1";
  static constexpr const char* kName = "moments";

  constexpr Moments() = default;
  void Add(double value) {
    if (!IsMeasurable(value)) return;
    ++count_;
    const double step = value - mean_;
    mean_ += step / static_cast<double>(count_);
    squares_ += step * (value - mean_);
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }
  void Merge(const Moments& other) {
    if (other.count_ == 0) return;
    const auto mine = static_cast<double>(count_);
    const auto its = static_cast<double>(other.count_);
    const double step = other.mean_ - mean_;
    count_ += other.count_;
    mean_ += step * its / (mine + its);
    squares_ += other.squares_ + step * step * mine * its / (mine + its);
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  double sum() const { return mean_ * static_cast<double>(count_); }
  // kNoNumber while there are too few: one, or two for the sample's variance.
  double mean() const { return count_ > 0 ? mean_ : kNoNumber; }
  double min() const { return count_ > 0 ? min_ : kNoNumber; }
  double max() const { return count_ > 0 ? max_ : kNoNumber; }
  double variance() const {
    return count_ > 1 ? squares_ / static_cast<double>(count_ - 1) : kNoNumber;
  }
  double deviation() const { return std::sqrt(variance()); }

 private:
  uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // of the distances from the mean
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

namespace windows_internal {

// Which stretch of `width` a time lies in, counted from the epoch; also before it.
inline int64_t StretchOf(Time at, Duration width) {
  const int64_t us = at.time_since_epoch().count();
  const int64_t stretch = us / width.count();
  return us % width.count() < 0 ? stretch - 1 : stretch;
}

}  // namespace windows_internal

// Figures of each stretch of time, such as each hour: stretches are multiples of `width` since the
// epoch. O(1); 104 bytes. A late reading of the current stretch counts; one of an earlier stretch,
// whose figures were given out already, is counted as late and nothing else. Another width begins
// anew.
class Tumbling {
 public:
  static constexpr const char* kLayout = "tumbling/1";

  constexpr Tumbling() = default;
  // The figures of the stretch that this reading ends, because it is the first of a later one.
  // Stretches without a reading are not told. REQUIRES: width > 0
  std::optional<Moments> Add(Time at, double value, Duration width) {
    if (!IsMeasurable(value)) return std::nullopt;
    const int64_t stretch = windows_internal::StretchOf(at, width);
    if (width.count() != width_us_) *this = Tumbling(width.count(), stretch);
    if (stretch < stretch_) {
      ++late_;
      return std::nullopt;
    }
    std::optional<Moments> ended;
    if (stretch > stretch_) {
      if (current_.count() > 0) ended = last_ = current_;
      current_ = {};
      stretch_ = stretch;
    }
    current_.Add(value);
    return ended;
  }
  // So far.
  const Moments& current() const { return current_; }
  Time begin() const { return Time{Duration{stretch_ * width_us_}}; }
  // Of the last stretch that has ended and had readings.
  const Moments& last() const { return last_; }
  uint64_t late() const { return late_; }

 private:
  constexpr Tumbling(int64_t width_us, int64_t stretch) : width_us_(width_us), stretch_(stretch) {}

  Moments current_;
  Moments last_;
  int64_t width_us_ = 0;
  int64_t stretch_ = 0;
  uint64_t late_ = 0;
};

// Figures of the last kPanes panes of `pane` each, the newest of which is not over yet: the last
// hour by the minute is Sliding<60> with a pane of a minute. By panes as in Li, Maier, Tufte,
// Papadimos and Tucker, "No pane, no gain" (SIGMOD Record 34, 2005): the window moves by a pane at
// a time. O(1) to add, but for O(kPanes) after a gap; O(kPanes) to ask. 40 * kPanes + 24 bytes. A
// late reading counts in its own pane; one older than all panes is counted as late and nothing
// else. Another pane width begins anew.
template <uint32_t kPanes>
class Sliding {
 public:
  static_assert(kPanes > 0);
  static constexpr auto kLayoutText = MakeLayout("sliding", "", {kPanes}, 1);
  static constexpr const char* kLayout = kLayoutText.data();

  constexpr Sliding() = default;
  // False if it is too late. REQUIRES: pane > 0
  bool Add(Time at, double value, Duration pane) {
    if (!IsMeasurable(value)) return false;
    const int64_t index = windows_internal::StretchOf(at, pane);
    if (pane.count() != pane_us_) {
      *this = {};
      pane_us_ = pane.count();
      newest_ = index;
    }
    Advance(index);
    if (newest_ - index >= int64_t{kPanes}) {
      ++late_;
      return false;
    }
    panes_[SlotOf(index)].Add(value);
    return true;
  }
  // Of the panes that end with the one of `now`; readings of later ones are left out. What lies
  // before the newest reading by more than the window is forgotten.
  Moments At(Time now) const {
    Moments all;
    if (pane_us_ == 0) return all;
    const int64_t last = windows_internal::StretchOf(now, Duration{pane_us_});
    const int64_t first = std::max(last, newest_) - int64_t{kPanes} + 1;
    for (int64_t index = first; index <= std::min(last, newest_); ++index)
      all.Merge(panes_[SlotOf(index)]);
    return all;
  }
  uint64_t late() const { return late_; }

 private:
  static uint32_t SlotOf(int64_t index) {
    const int64_t slot = index % int64_t{kPanes};
    return static_cast<uint32_t>(slot < 0 ? slot + int64_t{kPanes} : slot);
  }
  void Advance(int64_t index) {
    if (index <= newest_) return;
    const int64_t first = std::max(newest_, index - int64_t{kPanes}) + 1;
    for (int64_t pane = first; pane <= index; ++pane) panes_[SlotOf(pane)] = {};
    newest_ = index;
  }

  Moments panes_[kPanes];
  int64_t pane_us_ = 0;
  int64_t newest_ = 0;
  uint64_t late_ = 0;
};

// Mean and variance in which a reading that is tau old weighs 1/e of a new one, however irregular
// they come: weights by elapsed time as in Eckner, "Algorithms for unevenly spaced time series"
// (2019, EMA_next); variance by Finch, "Incremental calculation of weighted mean and variance"
// (2009). O(1), one exp; 24 bytes. A reading that is not newer than the last is ignored.
class Ewma {
 public:
  static constexpr const char* kLayout = "ewma/1";

  constexpr Ewma() = default;
  // False if it was ignored. REQUIRES: tau > 0
  bool Add(Time at, double value, Duration tau) {
    if (!IsMeasurable(value)) return false;
    if (at_ == kNoTime) {
      mean_ = value;
      at_ = at;
      return true;
    }
    if (at <= at_) return false;
    const double weight =
        -std::expm1(-static_cast<double>((at - at_).count()) / static_cast<double>(tau.count()));
    const double step = value - mean_;
    mean_ += weight * step;
    variance_ = (1 - weight) * (variance_ + weight * step * step);
    at_ = at;
    return true;
  }
  bool has_value() const { return at_ != kNoTime; }
  // kNoNumber before the first.
  double mean() const { return has_value() ? mean_ : kNoNumber; }
  double variance() const { return has_value() ? variance_ : kNoNumber; }
  double deviation() const { return std::sqrt(variance()); }
  Time at() const { return at_; }

 private:
  double mean_ = 0;
  double variance_ = 0;
  Time at_ = kNoTime;
};

// How fast a value changes from reading to reading. O(1); 16 bytes. One that is not newer than the
// last is ignored.
class Rate {
 public:
  static constexpr const char* kLayout = "rate/1";

  constexpr Rate() = default;
  // Per second since the last reading; nothing for the first, and for one that is ignored.
  std::optional<double> Add(Time at, double value) {
    if (!IsMeasurable(value) || at <= at_) return std::nullopt;
    std::optional<double> rate;
    if (at_ != kNoTime) rate = (value - value_) / ToSeconds(at - at_);
    value_ = value;
    at_ = at;
    return rate;
  }
  // The same for a counter that only rises: where it falls, the device has begun again from zero.
  std::optional<double> AddCounter(Time at, double value) {
    if (IsMeasurable(value) && at > at_ && value < value_) value_ = 0;
    return Add(at, value);
  }
  Time at() const { return at_; }

 private:
  double value_ = 0;
  Time at_ = kNoTime;
};

// How long a thing has been in each of kStates states, by the times at which it said so. O(1);
// 8 * kStates + 16 bytes. A word older than the last is ignored.
template <uint32_t kStates>
class TimeInState {
 public:
  static_assert(kStates > 0);
  static constexpr auto kLayoutText = MakeLayout("time_in_state", "", {kStates}, 1);
  static constexpr const char* kLayout = kLayoutText.data();

  constexpr TimeInState() = default;
  // It is in this state from `at` on, until another is entered. False if it was ignored, because it
  // is older than the last or there is no such state.
  bool Enter(Time at, uint32_t state) {
    if (state >= kStates || at < at_) return false;
    if (at_ != kNoTime) {
      spent_us_[state_] += (at - at_).count();
      changes_ += state != state_ ? 1 : 0;
    }
    state_ = state;
    at_ = at;
    return true;
  }
  // In all, up to `now`. REQUIRES: state < kStates
  Duration Spent(uint32_t state, Time now) const {
    Duration spent{spent_us_[state]};
    if (at_ != kNoTime && state == state_ && now > at_) spent += now - at_;
    return spent;
  }
  uint32_t changes() const { return changes_; }
  std::optional<uint32_t> state() const {
    return at_ == kNoTime ? std::nullopt : std::optional(state_);
  }

 private:
  int64_t spent_us_[kStates] = {};
  Time at_ = kNoTime;
  uint32_t state_ = 0;
  uint32_t changes_ = 0;
};

static_assert(sizeof(Ring<double, 32>) == 264 && sizeof(Moments) == 40 && sizeof(Tumbling) == 104);
static_assert(sizeof(Sliding<60>) == 2'424 && sizeof(Ewma) == 24 && sizeof(Rate) == 16);
static_assert(sizeof(TimeInState<4>) == 48);

}  // namespace gemel
