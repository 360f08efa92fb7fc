#include "gateway/simulate/replay.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace gemel::simulate {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

// How long a call waits, so that progress is shown and a lost connection is seen.
constexpr milliseconds kSlice{100};
constexpr milliseconds kReconnectMin{100};
constexpr milliseconds kReconnectMax{5'000};
// Acknowledgements are collected after so many messages, else the list of them grows.
constexpr uint64_t kBatch = 256;

class Run {
 public:
  Run(const ReplaySet& set, const ReplayOptions& options, const ReplayWorld& world)
      : rows_(set.rows),
        options_(options),
        clock_(world.clock),
        publisher_(world.publisher),
        world_(world) {
    summary_.rows = set.rows_total;
    summary_.skipped = set.skipped;
    for (const ReplayRow& row : rows_) {
      if (summary_.first == kNoTime || row.at < summary_.first) summary_.first = row.at;
      summary_.last = std::max(summary_.last, row.at);
    }
  }

  Result<ReplaySummary> Go() {
    GEMEL_TRY(publisher_.Connect());
    start_ = progress_at_ = clock_.Steady();
    while (summary_.acknowledged < rows_.size()) GEMEL_TRY(Step());
    summary_.seconds = std::chrono::duration<double>(clock_.Steady() - start_).count();
    publisher_.Disconnect();
    Report();
    return summary_;
  }

 private:
  // Sends one row if one may be sent now, else waits for something to change.
  Status Step() {
    const std::optional<size_t> row = NextRow();
    const nanoseconds early = row ? Early(*row) : kSlice;
    if (early > 0ns) {
      // Else Publish sees it.
      if (!publisher_.is_connected()) return Reconnect();
      return Wait(std::min<nanoseconds>(early, kSlice));
    }
    auto token = publisher_.Publish(
        {.topic = rows_[*row].topic, .payload = rows_[*row].payload, .qos = options_.qos});
    if (token.ok()) {
      Sent(*row, *token);
      return ++since_collect_ < kBatch ? Status::Ok() : Wait(0ms);
    }
    switch (token.status().code()) {
      case Code::kFull:
        return publisher_.is_connected() ? Wait(kSlice) : Reconnect();
      case Code::kUnavailable:
        return Reconnect();
      default:
        return std::move(token).status();
    }
  }

  // What a broken connection has left behind comes first.
  std::optional<size_t> NextRow() const {
    if (!again_.empty()) return again_.front();
    if (next_ < rows_.size()) return next_;
    return std::nullopt;
  }

  void Sent(size_t row, mqtt::Publisher::Token token) {
    in_flight_.emplace(token, row);
    if (!again_.empty()) {
      again_.pop_front();
      ++summary_.sent_again;
    } else {
      ++next_;
      ++summary_.sent;
    }
  }

  nanoseconds Early(size_t row) const {
    if (!options_.speed) return 0ns;
    const std::chrono::duration<double, std::nano> after =
        (rows_[row].due - rows_.front().due) / *options_.speed;
    const auto due = start_ + nanoseconds(std::llround(after.count()));
    return due - clock_.Steady();
  }

  Status Wait(nanoseconds wait) {
    since_collect_ = 0;
    tokens_.clear();
    const nanoseconds now = clock_.Steady();
    // With nothing in flight nothing can be acknowledged, and the publisher need not wait.
    if (in_flight_.empty()) {
      if (wait > 0ns) world_.sleep(wait);
      progress_at_ = now;
    } else {
      publisher_.Acknowledged(tokens_, std::chrono::ceil<milliseconds>(wait));
    }
    for (const auto token : tokens_) {
      // Tokens of a connection that broke are forgotten.
      if (in_flight_.erase(token) > 0) ++summary_.acknowledged;
    }
    if (!tokens_.empty()) progress_at_ = now;
    Report();
    if (now - progress_at_ <= options_.patience) return Status::Ok();
    return Unavailable(
        fmt::format("the broker has acknowledged nothing for {} s; {} of {} rows are",
                    options_.patience / 1s, summary_.acknowledged, rows_.size()));
  }

  Status Reconnect() {
    // What was acknowledged before it broke counts.
    GEMEL_TRY(Wait(0ms));
    std::vector<size_t> left(again_.begin(), again_.end());
    for (const auto& [token, row] : in_flight_) left.push_back(row);
    in_flight_.clear();
    std::ranges::sort(left);
    again_.assign(left.begin(), left.end());
    const nanoseconds since = clock_.Steady();
    for (milliseconds backoff = kReconnectMin;; backoff = std::min(2 * backoff, kReconnectMax)) {
      Status status = publisher_.Connect();
      progress_at_ = clock_.Steady();
      if (status.ok()) return status;
      if (progress_at_ - since > options_.patience || status.code() == Code::kInvalid)
        return status;
      world_.sleep(backoff);
    }
  }

  void Report() const {
    if (world_.on_progress)
      world_.on_progress({.acknowledged = summary_.acknowledged, .rows = rows_.size()});
  }

  const std::vector<ReplayRow>& rows_;
  const ReplayOptions& options_;
  const Clock& clock_;
  mqtt::Publisher& publisher_;
  const ReplayWorld& world_;

  ReplaySummary summary_;
  size_t next_ = 0;           // the first row never sent
  std::deque<size_t> again_;  // rows to be sent again, in order
  std::unordered_map<mqtt::Publisher::Token, size_t> in_flight_;
  std::vector<mqtt::Publisher::Token> tokens_;
  uint64_t since_collect_ = 0;
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
