#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace gemel::effects {

// How many notices of alerts may leave in a minute, and at once after a quiet one; 0: any number.
struct NoticeRates {
  uint32_t per_twin = 0;
  uint32_t per_model = 0;
};

// Counts notices by twin and by model, each with a token bucket (Turner: New directions in
// communications, 1986) that a minute fills. One thread.
class NoticeLimit {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  NoticeLimit(NoticeRates rates, size_t models) : rates_(rates), models_(models) {}

  bool is_on() const { return rates_.per_twin > 0 || rates_.per_model > 0; }
  // Whether a notice of this twin may leave at this time, which never goes back; it counts if so.
  // Without a twin's hash, 0, only its model is looked at.
  bool Take(uint16_t model, uint64_t key_hash, Nanoseconds now);
  // Twins that are remembered: those that had notices in the last minutes.
  size_t twins() const { return twins_.size(); }

 private:
  // Full until it is used.
  struct Bucket {
    double used = 0;  // notices, less what time has made up for
    Nanoseconds at{0};
  };
  static void Refill(Bucket& bucket, uint32_t rate, Nanoseconds now);
  void ForgetFull(Nanoseconds now);

  const NoticeRates rates_;
  std::vector<Bucket> models_;
  std::unordered_map<uint64_t, Bucket> twins_;
  Nanoseconds forgotten_at_{0};
};

}  // namespace gemel::effects
