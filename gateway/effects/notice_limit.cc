#include "gateway/effects/notice_limit.h"

#include <algorithm>
#include <utility>

namespace gemel::effects {
namespace {

constexpr std::chrono::minutes kMinute{1};

}  // namespace

void NoticeLimit::Refill(Bucket& bucket, uint32_t rate, Nanoseconds now) {
  const std::chrono::duration<double, std::ratio<60>> passed = now - bucket.at;
  bucket.used = std::max(0.0, bucket.used - passed.count() * rate);
  bucket.at = now;
}

void NoticeLimit::ForgetFull(Nanoseconds now) {
  if (now - forgotten_at_ < kMinute) return;
  forgotten_at_ = now;
  std::erase_if(twins_, [&](const auto& twin) { return now - twin.second.at >= kMinute; });
}

bool NoticeLimit::Take(uint16_t model, uint64_t key_hash, Nanoseconds now) {
  Bucket* const of_model =
      rates_.per_model > 0 && model < models_.size() ? &models_[model] : nullptr;
  if (of_model != nullptr) {
    Refill(*of_model, rates_.per_model, now);
    if (of_model->used + 1 > rates_.per_model) return false;
  }
  if (rates_.per_twin > 0 && key_hash != 0) {
    ForgetFull(now);
    Bucket& of_twin = twins_[key_hash];
    Refill(of_twin, rates_.per_twin, now);
    if (of_twin.used + 1 > rates_.per_twin) return false;
    ++of_twin.used;
  }
  if (of_model != nullptr) ++of_model->used;
  return true;
}

}  // namespace gemel::effects
