#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "gateway/sdk/fields.hpp"
#include "gateway/sdk/layout.hpp"
#include "gateway/sdk/types.hpp"

// What a twin knows of all that it has ever seen, in a fixed number of bytes and with a stated
// error: members of the state, declared by window(). The order of readings, and so a late one, does
// not matter to HyperLogLog and DdSketch; to P2Quantile it does a little. A number that is not
// finite is ignored.
namespace gemel {

// One quantile of any numbers, by five markers that move with parabolas: Jain and Chlamtac, "The
// P^2 algorithm for dynamic calculation of quantiles and histograms without storing observations"
// (Communications of the ACM 28, 1985). O(1); 96 bytes. Exact up to five readings; after that the
// error has no bound, and is small for numbers that come in no order. Use DdSketch where it must be
// bounded. Another `share` begins anew.
class P2Quantile {
 public:
  static constexpr const char* kLayout = "p2_quantile/1";

  constexpr P2Quantile() = default;
  // share: 0.5 for the median. REQUIRES: 0 < share < 1
  void Add(double value, double share) {
    if (!std::isfinite(value)) return;
    if (share != share_) {
      *this = {};
      share_ = share;
    }
    if (count_ < kMarkers) {
      heights_[count_++] = value;
      std::sort(heights_, heights_ + count_);
      return;
    }
    const size_t cell = CellOf(value);
    for (size_t i = cell + 1; i < kMarkers; ++i) ++positions_[i];
    ++count_;
    for (size_t i = 1; i + 1 < kMarkers; ++i) Move(i);
  }
  // kNoNumber before the first.
  double value() const {
    if (count_ == 0) return kNoNumber;
    if (count_ > kMarkers) return heights_[2];
    return heights_[std::min<size_t>(count_ - 1,
                                     static_cast<size_t>(share_ * static_cast<double>(count_)))];
  }
  uint64_t count() const { return count_; }

 private:
  static constexpr size_t kMarkers = 5;

  // Between which markers a value lies, after the outer ones have given way to it.
  size_t CellOf(double value) {
    heights_[0] = std::min(heights_[0], value);
    heights_[4] = std::max(heights_[4], value);
    size_t cell = 3;
    while (cell > 0 && value < heights_[cell]) --cell;
    return cell;
  }
  // Where a marker should be by now, counted from 0.
  double Desired(size_t marker) const {
    const double shares[kMarkers] = {0, share_ / 2, share_, (1 + share_) / 2, 1};
    return shares[marker] * static_cast<double>(count_ - 1);
  }
  double Gap(size_t from, size_t to) const {
    return static_cast<double>(positions_[to] - positions_[from]);
  }
  void Move(size_t i) {
    const double off = Desired(i) - static_cast<double>(positions_[i]);
    const bool is_up = off >= 1 && positions_[i + 1] - positions_[i] > 1;
    const bool is_down = off <= -1 && positions_[i] - positions_[i - 1] > 1;
    if (!is_up && !is_down) return;
    const double step = is_up ? 1 : -1;
    const double above = (heights_[i + 1] - heights_[i]) / Gap(i, i + 1);
    const double below = (heights_[i] - heights_[i - 1]) / Gap(i - 1, i);
    const double moved =
        heights_[i] + step / Gap(i - 1, i + 1) *
                          ((Gap(i - 1, i) + step) * above + (Gap(i, i + 1) - step) * below);
    const bool is_between = heights_[i - 1] < moved && moved < heights_[i + 1];
    // Where the parabola leads past a neighbour, a line.
    heights_[i] = is_between ? moved : heights_[i] + step * (is_up ? above : below);
    positions_[i] += is_up ? 1 : -1;
  }

  double heights_[kMarkers] = {};
  int64_t positions_[kMarkers] = {0, 1, 2, 3, 4};
  uint64_t count_ = 0;
  double share_ = 0;
};

// Any quantile of numbers that are not negative (durations, sizes, speeds), right to a relative
// error of kPerMille / 1000: Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile
// sketch with relative-error guarantees" (PVLDB 12, 2019), with a fixed store whose lowest buckets
// are merged when the range is too wide. With 10 per mille and 512 buckets the range is 28,000 from
// end to end; quantiles that fall below it are too high. O(1), one log, but for O(kBuckets) when
// the range moves; O(kBuckets) to ask. 4 * kBuckets + 24 bytes.
template <uint32_t kBuckets, uint32_t kPerMille = 10>
class DdSketch {
 public:
  static_assert(kBuckets >= 2 && kBuckets % 2 == 0 && kPerMille > 0 && kPerMille < 500);
  static constexpr auto kLayoutText = MakeLayout("ddsketch", "", {kBuckets, kPerMille}, 1);
  static constexpr const char* kLayout = kLayoutText.data();

  constexpr DdSketch() = default;
  // False if the value is negative or not finite. What is below 1e-9 counts as zero.
  bool Add(double value) {
    if (!std::isfinite(value) || value < 0) return false;
    if (value < kZero) {
      ++zeros_;
    } else {
      AddTo(IndexOf(value), 1);
    }
    ++count_;
    return true;
  }
  void Merge(const DdSketch& other) {
    for (uint32_t i = kBuckets; i-- > 0;) {
      if (other.counts_[i] > 0) AddTo(other.lowest_ + static_cast<int32_t>(i), other.counts_[i]);
    }
    zeros_ += other.zeros_;
    count_ += other.count_;
  }
  // kNoNumber while there is none. REQUIRES: 0 <= share <= 1
  double Quantile(double share) const {
    if (count_ == 0) return kNoNumber;
    const auto rank = static_cast<uint64_t>(share * static_cast<double>(count_ - 1));
    uint64_t seen = zeros_;
    if (rank < seen) return 0;
    for (uint32_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (rank < seen) return ValueOf(lowest_ + static_cast<int32_t>(i));
    }
    return kNoNumber;
  }
  uint64_t count() const { return count_; }

 private:
  static constexpr double kZero = 1e-9;
  static constexpr double kGamma = (1000.0 + kPerMille) / (1000.0 - kPerMille);

  // Of (gamma^(i-1), gamma^i].
  static int32_t IndexOf(double value) {
    static const double kFactor = 1 / std::log(kGamma);
    return static_cast<int32_t>(std::ceil(std::log(value) * kFactor));
  }
  static double ValueOf(int32_t index) { return 2 * std::pow(kGamma, index) / (kGamma + 1); }

  void AddTo(int32_t index, uint32_t count) {
    if (is_placed_ == 0) {
      // Room on both sides of the first.
      lowest_ = index - static_cast<int32_t>(kBuckets / 2);
      is_placed_ = 1;
    }
    constexpr auto kSize = static_cast<int32_t>(kBuckets);
    if (index >= lowest_ + kSize) Shift(index - kSize + 1 - lowest_);
    if (index < lowest_) ShiftDown(index);
    const int32_t slot = std::max(index - lowest_, 0);
    uint32_t& bucket = counts_[slot];
    bucket += std::min(count, std::numeric_limits<uint32_t>::max() - bucket);
  }
  // Towards larger values: what falls out below goes to the new lowest bucket.
  void Shift(int32_t by) {
    uint64_t merged = 0;
    const auto gone = static_cast<uint32_t>(std::min<int64_t>(by, kBuckets));
    for (uint32_t i = 0; i < gone; ++i) merged += counts_[i];
    std::copy(counts_ + gone, counts_ + kBuckets, counts_);
    std::fill(counts_ + kBuckets - gone, counts_ + kBuckets, 0U);
    counts_[0] = static_cast<uint32_t>(
        std::min<uint64_t>(counts_[0] + merged, std::numeric_limits<uint32_t>::max()));
    lowest_ += by;
  }
  // Towards smaller ones, as far as the buckets above are empty.
  void ShiftDown(int32_t index) {
    uint32_t free = 0;
    while (free < kBuckets && counts_[kBuckets - 1 - free] == 0) ++free;
    const auto by = static_cast<uint32_t>(std::min<int64_t>(int64_t{lowest_} - index, free));
    std::copy_backward(counts_, counts_ + kBuckets - by, counts_ + kBuckets);
    std::fill(counts_, counts_ + by, 0U);
    lowest_ -= static_cast<int32_t>(by);
  }

  uint64_t count_ = 0;
  uint64_t zeros_ = 0;
  int32_t lowest_ = 0;
  uint32_t is_placed_ = 0;
  uint32_t counts_[kBuckets] = {};
};

// 64 well mixed bits of an integer (the finaliser of SplitMix64: Steele, Lea and Flood, 2014), and
// of a text (FNV-1a of 64 bits, mixed the same way). The same on each machine.
constexpr uint64_t HashOf(uint64_t number) {
  number += 0x9E3779B97F4A7C15U;
  number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9U;
  number = (number ^ number >> 27) * 0x94D049BB133111EBU;
  return number ^ number >> 31;
}
constexpr uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return HashOf(hash);
}

// How many different things there were: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog" (2007),
// with their linear counting for few; hashes of 64 bits need no correction for many. Standard error
// 1.04 / sqrt(2^kBits): 6.5 % for 8 bits, 3.3 % for 10. O(1) to add; O(2^kBits) to ask. 2^kBits
// bytes. Give the text of a symbol, never its number.
template <uint32_t kBits = 8>
class HyperLogLog {
 public:
  static_assert(kBits >= 4 && kBits <= 12);
  static constexpr uint32_t kRegisters = 1U << kBits;
  static constexpr auto kLayoutText = MakeLayout("hyperloglog", "", {kBits}, 1);
  static constexpr const char* kLayout = kLayoutText.data();

  constexpr HyperLogLog() = default;
  void Add(std::string_view text) { AddHash(HashOf(text)); }
  void Add(uint64_t number) { AddHash(HashOf(number)); }
  void Merge(const HyperLogLog& other) {
    for (uint32_t i = 0; i < kRegisters; ++i)
      registers_[i] = std::max(registers_[i], other.registers_[i]);
  }
  double Count() const {
    constexpr double kSize = kRegisters;
    double sum = 0;
    uint32_t empty = 0;
    for (const uint8_t its : registers_) {
      sum += std::ldexp(1.0, -its);
      empty += its == 0 ? 1 : 0;
    }
    const double estimate = Alpha() * kSize * kSize / sum;
    if (estimate > 2.5 * kSize || empty == 0) return estimate;
    return kSize * std::log(kSize / empty);
  }

 private:
  static constexpr double Alpha() {
    if (kBits == 4) return 0.673;
    if (kBits == 5) return 0.697;
    if (kBits == 6) return 0.709;
    return 0.7213 / (1 + 1.079 / kRegisters);
  }
  void AddHash(uint64_t hash) {
    const uint64_t rest = hash << kBits | uint64_t{1} << (kBits - 1);  // never without a one
    uint8_t& its = registers_[hash >> (64 - kBits)];
    its = std::max(its, static_cast<uint8_t>(std::countl_zero(rest) + 1));
  }

  uint8_t registers_[kRegisters] = {};
};

static_assert(sizeof(P2Quantile) == 96 && sizeof(DdSketch<512>) == 2'072);
static_assert(sizeof(HyperLogLog<8>) == 256);

}  // namespace gemel
