#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemel::twin {

// Which of the last messages of one twin and route were applied, to recognise one that comes again.
// By ids: the last `window` of them. By sequence numbers: the highest, and which of the `window`
// below it came. One thread.
class RepeatWindow {
 public:
  enum class Kind : uint8_t { kUnused, kIds, kNumbers };

  RepeatWindow() = default;
  // As its parts were saved.
  RepeatWindow(Kind kind, uint64_t next, std::vector<uint64_t> words)
      : kind_(kind), next_(next), words_(std::move(words)) {}

  // Whether this id was among the last ones; it is the newest of them afterwards, if it was not.
  // REQUIRES: window > 0, always the same
  bool HasSeenId(uint64_t id, size_t window) {
    Become(Kind::kIds);
    Fit(window);
    if (std::ranges::find(words_, id) != words_.end()) return true;
    if (words_.size() < window) {
      words_.push_back(id);
    } else {
      words_[next_++ % window] = id;
    }
    return false;
  }

  // Whether this number came already. A number below the window is a sequence that began anew (a
  // device that was restarted), because a broker sends nothing again that is so old. REQUIRES: as
  // above
  bool HasSeenNumber(uint64_t number, size_t window) {
    Become(Kind::kNumbers);
    number ^= uint64_t{1} << 63;  // negative ones stand below the others
    const bool is_first = words_.empty();
    if (is_first) words_.resize((window + kWordBits - 1) / kWordBits);
    const uint64_t distance = number > next_ ? number - next_ : next_ - number;
    if (is_first || distance >= words_.size() * kWordBits) {
      std::ranges::fill(words_, 0);
      next_ = number;
    }
    while (next_ < number) Clear(++next_);
    if ((words_[Word(number)] & Bit(number)) != 0) return true;
    words_[Word(number)] |= Bit(number);
    return false;
  }

  // What it consists of, to be saved.
  Kind kind() const { return kind_; }
  uint64_t next() const { return next_; }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  static constexpr size_t kWordBits = 64;
  // What was remembered of a route that was recognised otherwise means nothing now.
  void Become(Kind kind) {
    if (kind_ == kind) return;
    *this = RepeatWindow(kind, 0, {});
  }
  // Has the ring be of this size at most, the oldest first if it may still grow: the window may be
  // another one than when it was saved.
  void Fit(size_t window) {
    const bool is_ring = next_ > 0 && words_.size() == window;
    if (is_ring || (next_ == 0 && words_.size() <= window)) return;
    const auto size = static_cast<std::ptrdiff_t>(words_.size());
    std::rotate(words_.begin(), words_.begin() + static_cast<std::ptrdiff_t>(next_) % size,
                words_.end());
    if (words_.size() > window)
      words_.erase(words_.begin(), words_.end() - static_cast<std::ptrdiff_t>(window));
    next_ = 0;
  }
  size_t Word(uint64_t number) const { return number / kWordBits % words_.size(); }
  static uint64_t Bit(uint64_t number) { return uint64_t{1} << number % kWordBits; }
  void Clear(uint64_t number) { words_[Word(number)] &= ~Bit(number); }

  Kind kind_ = Kind::kUnused;
  // By ids: how often the ring was overwritten. By numbers: the highest, its sign turned.
  uint64_t next_ = 0;
  // By ids: a ring of them. By numbers: a bit each, of a ring of whole words.
  std::vector<uint64_t> words_;
};

}  // namespace gemel::twin
