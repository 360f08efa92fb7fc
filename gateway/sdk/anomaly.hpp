#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/types.hpp"

// A streaming anomaly score for one numeric value of any scale, without training and without
// settings. Four views of the same stream are watched, and of each only one thing is asked: how far
// is it beyond everything that this twin has seen?
//
//   value       the reading itself
//   sustained   the lowest (highest) of the last 10 readings: a level that is held, not a spike
//   time of day the mean of the last 20 readings, less what is usual at this half hour of the day
//   sequence    the mean surprise of the last 10 steps between five levels of the value
//
// Sources: records (new extremes) as events follow Glick, "Breaking records and breaking boards",
// 1978: among n like readings a record has the probability 1/n, so a stream of any distribution
// calls about as rarely, which is what lets one threshold serve all streams. Surprise is the
// negative log likelihood of a Markov chain with Krichevsky-Trofimov counts. models/anomaly's
// README says what else was tried.
//
// Cost: O(1), 0.2 to 0.5 us a reading, and 1,112 bytes. No allocation, no clock, no randomness.
namespace gemel {

namespace anomaly_internal {

// What one view has been so far. An extreme fades to kMemory / t standard deviations within t
// readings, however far off it was, so that one wild reading does not blind the twin for ever,
// while the bounds of a calm stream stay for tens of thousands of readings.
class Extremes {
 public:
  // Share of what the whole range would be with `x` in it that `x` lies above (below) the rest: 0
  // within, 0.5 if it doubles the range. 0 until there is something to compare with.
  // A range below `least` counts as that.
  double Above(double x, double least = 0) const { return Beyond(x - high_, least); }
  double Below(double x, double least = 0) const { return Beyond(low_ - x, least); }
  double Outside(double x, double least = 0) const {
    return std::max(Above(x, least), Below(x, least));
  }
  double range() const { return high_ - low_; }

  void Take(double x) {
    if (count_ == 0) low_ = high_ = mean_ = x;
    if (count_ < kSlow) count_ += 1;
    const double share = 1 / count_;
    const double difference = x - mean_;
    variance_ += (difference * difference - variance_) * share;
    mean_ += difference * share;
    if (variance_ > 0) {
      const double fading = 1 / (std::sqrt(variance_) * kMemory);
      high_ -= Faded(high_ - mean_, fading);
      low_ += Faded(mean_ - low_, fading);
    }
    high_ = std::max(high_, x);
    low_ = std::min(low_, x);
  }

 private:
  static constexpr double kWarmUp = 20;       // readings
  static constexpr double kSlow = 4'000;      // readings that mean and variance remember
  static constexpr double kMemory = 50'000;   // standard deviations times readings
  static constexpr double kPrecision = 1e-6;  // of a value: less is no change

  double Beyond(double distance, double least) const {
    if (count_ < kWarmUp || !(distance > 0)) return 0;
    return distance / (distance + std::max(range(), least) + kPrecision * std::abs(mean_) + 1e-12);
  }
  static double Faded(double distance, double fading) {
    return distance > 0 ? distance * std::min(0.5, distance * fading) : 0;
  }

  double low_ = 0;
  double high_ = 0;
  double mean_ = 0;
  double variance_ = 0;
  double count_ = 0;  // up to kSlow
};

// The last readings, in no order.
template <size_t kSize>
class Recent {
 public:
  void Take(double x) {
    values_[next_] = x;
    next_ = next_ + 1 == kSize ? 0 : next_ + 1;
    size_ = std::max(size_, next_ == 0 ? static_cast<uint32_t>(kSize) : next_);
  }
  // REQUIRES of all three: something was taken
  double Lowest() const { return *std::min_element(values_.begin(), values_.begin() + size_); }
  double Highest() const { return *std::max_element(values_.begin(), values_.begin() + size_); }
  double Mean() const {
    double sum = 0;
    for (size_t i = 0; i < size_; ++i) sum += values_[i];
    return sum / size_;
  }

 private:
  std::array<double, kSize> values_{};
  uint32_t next_ = 0;
  uint32_t size_ = 0;
};

// What is usual at this time of the day, UTC: an average of about the last ten readings of each
// half hour.
class DailyBaseline {
 public:
  // By how much `x` differs from what is usual now; 0 where nothing is known yet.
  double Take(Time at, double x) {
    const size_t slot = SlotOf(at);
    const double residual = count_[slot] > 0 ? x - mean_[slot] : 0;
    if (count_[slot] < kReadings) ++count_[slot];
    mean_[slot] += (x - mean_[slot]) / count_[slot];
    return residual;
  }

 private:
  static constexpr size_t kSlots = 48;
  static constexpr uint8_t kReadings = 10;

  static size_t SlotOf(Time at) {
    constexpr int64_t kDay = 86'400'000'000;
    const int64_t us = at.time_since_epoch().count() % kDay;
    return static_cast<size_t>((us < 0 ? us + kDay : us) / (kDay / static_cast<int64_t>(kSlots)));
  }

  std::array<double, kSlots> mean_{};
  std::array<uint8_t, kSlots> count_{};
};

// A Markov chain over five levels between the lowest and the highest value.
class Sequence {
 public:
  // How unexpected the step to `x` is, in nats; 0 for the first.
  double Take(double x) {
    if (level_ == kNone) low_ = high_ = x;
    low_ = std::min(low_, x);
    high_ = std::max(high_, x);
    const uint32_t level = LevelOf(x);
    const uint32_t last = level_;
    level_ = level;
    if (last == kNone) return 0;
    auto& steps = steps_[last];
    uint32_t total = 0;
    for (const uint32_t count : steps) total += count;
    const double surprise = std::log((total + 0.5 * kLevels) / (steps[level] + 0.5));
    if (total >= kStepsMax) {
      for (uint32_t& count : steps) count /= 2;
    }
    ++steps[level];
    return surprise;
  }

 private:
  static constexpr size_t kLevels = 5;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kStepsMax = 4'000;  // from one level; then each counts half

  uint32_t LevelOf(double x) const {
    if (!(high_ > low_)) return 0;
    const double share = (x - low_) / (high_ - low_);
    return static_cast<uint32_t>(std::min<double>(kLevels - 1, share * kLevels));
  }

  double low_ = 0;
  double high_ = 0;
  std::array<std::array<uint32_t, kLevels>, kLevels> steps_{};
  uint32_t level_ = kNone;
};

}  // namespace anomaly_internal

// What makes a reading an anomaly: the view that is furthest beyond its past.
enum class AnomalyKind : uint8_t { kNone, kValue, kSustained, kTimeOfDay, kSequence };

// Plain bytes, a window of a twin's state: window(&State::detector, "detector", "…"). Feed it in
// order of time; the same readings give the same scores.
class AnomalyDetector {
 public:
  static constexpr const char* kLayout = "anomaly/1";

  // The score of one reading, 0 to 1: 0 for what has been before; 0.1 for what leaves the known
  // range by a tenth of it; 0.5 for what doubles it. While an anomaly lasts, only what is above its
  // (slowly fading) score so far scores again. A value that is not finite scores 0 and is not
  // learnt; those beyond +-1e30 count as that.
  double Score(Time at, double value) {
    using anomaly_internal::Extremes;
    kind_ = 0;
    if (!std::isfinite(value)) return 0;
    const double x = std::clamp(value, -1e30, 1e30);
    recent_.Take(x);
    residuals_.Take(baseline_.Take(at, x));
    surprises_.Take(sequence_.Take(x));

    const double lowest = recent_.Lowest();
    const double highest = recent_.Highest();
    const double residual = residuals_.Mean();
    const double surprise = surprises_.Mean();
    const double range = values_.range();
    const std::array<double, 4> novelties = {
        values_.Outside(x), std::max(floors_.Above(lowest, range), ceilings_.Below(highest, range)),
        residual_means_.Outside(residual, range * kResidualShare),
        surprise_means_.Above(surprise, kSurprise)};
    values_.Take(x);
    floors_.Take(lowest);
    ceilings_.Take(highest);
    residual_means_.Take(residual);
    surprise_means_.Take(surprise);
    return Unmuted(Together(novelties));
  }

  // Of the last reading: kNone if its score is 0.
  AnomalyKind kind() const { return static_cast<AnomalyKind>(kind_); }

 private:
  static constexpr size_t kSustained = 10;  // readings
  static constexpr size_t kDaily = 20;
  static constexpr size_t kSteps = 10;
  // What these views range over at least: a stream that repeats itself exactly must not make an
  // anomaly of next to nothing.
  static constexpr double kResidualShare = 0.1;  // of the value's range
  static constexpr double kSurprise = 0.5;       // nats
  static constexpr double kFading = 0.96594;     // a reading: half within 20

  // The views count as independent witnesses: noisy or.
  double Together(const std::array<double, 4>& novelties) {
    double none = 1;
    double strongest = 0;
    for (size_t i = 0; i < novelties.size(); ++i) {
      none *= 1 - novelties[i];
      if (novelties[i] > strongest) {
        strongest = novelties[i];
        kind_ = i + 1;
      }
    }
    return 1 - none;
  }
  double Unmuted(double score) {
    const bool is_told = score <= muted_;
    muted_ = std::max(muted_ * kFading, score);
    if (!is_told) return score;
    kind_ = 0;
    return 0;
  }

  anomaly_internal::Extremes values_;
  anomaly_internal::Extremes floors_;
  anomaly_internal::Extremes ceilings_;
  anomaly_internal::Extremes residual_means_;
  anomaly_internal::Extremes surprise_means_;
  anomaly_internal::Recent<kSustained> recent_;
  anomaly_internal::Recent<kDaily> residuals_;
  anomaly_internal::Recent<kSteps> surprises_;
  anomaly_internal::DailyBaseline baseline_;
  anomaly_internal::Sequence sequence_;
  double muted_ = 0;
  uint64_t kind_ = 0;  // so that there is no padding
};

static_assert(WindowType<AnomalyDetector> && HasNoPadding<AnomalyDetector>());
static_assert(sizeof(AnomalyDetector) <= 2'048);

}  // namespace gemel
