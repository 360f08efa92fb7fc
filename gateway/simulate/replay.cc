#include "gateway/simulate/replay.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "gateway/simulate/delivery.h"

namespace gemel::simulate {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

// How long a call waits, so that progress is shown and a lost connection is seen.
constexpr nanoseconds kSlice = 100ms;

class Run {
 public:
  Run(ReplaySource& source, const ReplayOptions& options, const ReplayWorld& world)
      : source_(source),
        options_(options),
        world_(world),
        delivery_(world.publisher, world.clock, Events()) {}

  Result<ReplaySummary> Go() {
    GEMEL_TRY(delivery_.Connect());
    start_ = progress_at_ = world_.clock.Steady();
    GEMEL_TRY(Advance());
    if (row_ != nullptr) first_due_ = row_->due;
    while (row_ != nullptr || !delivery_.is_empty()) {
      GEMEL_TRY(Step());
      if (!refused_.ok()) return std::move(refused_);
    }
    summary_.skipped = source_.skipped();
    summary_.rows = offered_ + summary_.skipped;
    summary_.seconds = std::chrono::duration<double>(world_.clock.Steady() - start_).count();
    summary_.sent_again = delivery_.repeated();
    world_.publisher.Disconnect();
    return summary_;
  }

 private:
  DeliveryEvents Events() {
    return {.on_sent = [this](uint64_t, nanoseconds) { ++summary_.sent; },
            .on_acknowledged =
                [this](uint64_t) {
                  ++summary_.acknowledged;
                  progress_at_ = world_.clock.Steady();
                },
            .on_refused =
                [this](uint64_t row, const Status& why) {
                  refused_ = Invalid(fmt::format("message {}: {}", row + 1, why.message()));
                }};
  }

  // To the next message.
  Status Advance() {
    GEMEL_TRY_LET(row_, source_.Next());
    if (row_ == nullptr) return Status::Ok();
    if (summary_.first == kNoTime || row_->at < summary_.first) summary_.first = row_->at;
    if (summary_.last == kNoTime || row_->at > summary_.last) summary_.last = row_->at;
    return Status::Ok();
  }

  Status Step() {
    nanoseconds rest = kSlice;
    while (row_ != nullptr && delivery_.has_room()) {
      rest = std::min(Early(*row_), kSlice);
      if (rest > 0ns) break;
      rest = kSlice;
      delivery_.Offer({.topic = row_->topic, .payload = row_->payload, .qos = options_.qos},
                      offered_++);
      GEMEL_TRY(Advance());
    }
    if (delivery_.is_connected() && !delivery_.is_empty()) {
      delivery_.Pump(std::chrono::ceil<milliseconds>(rest));
    } else {
      // There is nothing that it could wait for.
      world_.sleep(rest);
      delivery_.Pump(0ms);
    }
    if (world_.on_progress)
      world_.on_progress({.acknowledged = summary_.acknowledged, .rows = source_.rows()});
    return CheckPatience();
  }

  // How long the row is not due yet; none if it is.
  nanoseconds Early(const ReplayRow& row) const {
    if (!options_.speed) return 0ns;
    const std::chrono::duration<double, std::nano> after = (row.due - first_due_) / *options_.speed;
    const nanoseconds due = start_ + nanoseconds(std::llround(after.count()));
    return std::max<nanoseconds>(due - world_.clock.Steady(), 0ns);
  }

  Status CheckPatience() {
    const nanoseconds now = world_.clock.Steady();
    if (delivery_.is_connected() && delivery_.is_empty()) progress_at_ = now;
    if (now - progress_at_ <= options_.patience) return Status::Ok();
    return Unavailable(fmt::format("{} of {} sent messages are acknowledged, and none for {} s{}{}",
                                   summary_.acknowledged, offered_, options_.patience / 1s,
                                   delivery_.why().empty() ? "" : ": ", delivery_.why()));
  }

  ReplaySource& source_;
  const ReplayOptions& options_;
  const ReplayWorld& world_;

  ReplaySummary summary_;
  Delivery delivery_;
  Status refused_;
  const ReplayRow* row_ = nullptr;  // the first one not yet offered; none at the end
  Time first_due_ = kNoTime;
  uint64_t offered_ = 0;
  nanoseconds start_{};
  nanoseconds progress_at_{};
};

class SetSource final : public ReplaySource {
 public:
  explicit SetSource(const ReplaySet& set) : set_(set) {}
  Result<const ReplayRow*> Next() override {
    return next_ < set_.rows.size() ? &set_.rows[next_++] : nullptr;
  }
  uint64_t rows() const override { return set_.rows.size(); }
  uint64_t skipped() const override { return set_.skipped; }

 private:
  const ReplaySet& set_;
  size_t next_ = 0;
};

}  // namespace

Result<ReplaySummary> Replay(ReplaySource& source, const ReplayOptions& options,
                             const ReplayWorld& world) {
  GEMEL_ASSERT(!options.speed || *options.speed > 0);
  return Run(source, options, world).Go();
}

Result<ReplaySummary> Replay(const ReplaySet& set, const ReplayOptions& options,
                             const ReplayWorld& world) {
  SetSource source(set);
  return Replay(source, options, world);
}

}  // namespace gemel::simulate
