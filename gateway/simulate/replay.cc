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
  Run(const ReplaySet& set, const ReplayOptions& options, const ReplayWorld& world)
      : rows_(set.rows),
        options_(options),
        world_(world),
        delivery_(world.publisher, world.clock, Events()) {
    summary_.rows = set.rows_total;
    summary_.skipped = set.skipped;
    if (rows_.empty()) return;
    const auto [first, last] = std::ranges::minmax(rows_, {}, &ReplayRow::at);
    summary_.first = first.at;
    summary_.last = last.at;
  }

  Result<ReplaySummary> Go() {
    GEMEL_TRY(delivery_.Connect());
    start_ = progress_at_ = world_.clock.Steady();
    while (next_ < rows_.size() || !delivery_.is_empty()) {
      GEMEL_TRY(Step());
      if (!refused_.ok()) return std::move(refused_);
    }
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

  Status Step() {
    nanoseconds rest = kSlice;
    for (; next_ < rows_.size() && delivery_.has_room(); ++next_) {
      rest = std::min(Early(rows_[next_]), kSlice);
      if (rest > 0ns) break;
      rest = kSlice;
      const ReplayRow& row = rows_[next_];
      delivery_.Offer({.topic = row.topic, .payload = row.payload, .qos = options_.qos}, next_);
    }
    if (delivery_.is_connected() && !delivery_.is_empty()) {
      delivery_.Pump(std::chrono::ceil<milliseconds>(rest));
    } else {
      // There is nothing that it could wait for.
      world_.sleep(rest);
      delivery_.Pump(0ms);
    }
    if (world_.on_progress)
      world_.on_progress({.acknowledged = summary_.acknowledged, .rows = rows_.size()});
    return CheckPatience();
  }

  // How long the row is not due yet; none if it is.
  nanoseconds Early(const ReplayRow& row) const {
    if (!options_.speed) return 0ns;
    const std::chrono::duration<double, std::nano> after =
        (row.due - rows_.front().due) / *options_.speed;
    const nanoseconds due = start_ + nanoseconds(std::llround(after.count()));
    return std::max<nanoseconds>(due - world_.clock.Steady(), 0ns);
  }

  Status CheckPatience() {
    const nanoseconds now = world_.clock.Steady();
    if (delivery_.is_connected() && delivery_.is_empty()) progress_at_ = now;
    if (now - progress_at_ <= options_.patience) return Status::Ok();
    return Unavailable(fmt::format("{} of {} messages are acknowledged, and none for {} s{}{}",
                                   summary_.acknowledged, rows_.size(), options_.patience / 1s,
                                   delivery_.why().empty() ? "" : ": ", delivery_.why()));
  }

  const std::vector<ReplayRow>& rows_;
  const ReplayOptions& options_;
  const ReplayWorld& world_;

  ReplaySummary summary_;
  Delivery delivery_;
  Status refused_;
  size_t next_ = 0;  // the first row not yet offered
  nanoseconds start_{};
  nanoseconds progress_at_{};
};

}  // namespace

Result<ReplaySummary> Replay(const ReplaySet& set, const ReplayOptions& options,
                             const ReplayWorld& world) {
  GEMEL_ASSERT(!options.speed || *options.speed > 0);
  return Run(set, options, world).Go();
}

}  // namespace gemel::simulate
