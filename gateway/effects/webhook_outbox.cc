#include "gateway/effects/webhook_outbox.h"

#include <algorithm>

#include "gateway/base/assert.h"
#include "gateway/base/log.h"

namespace gemel::effects {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

// Beside the payload: an effect and a node of each container, rounded up.
constexpr size_t kEntryBytes = 512;
// Failures in a row from which on it is the webhook that fails, not one of its effects.
constexpr uint32_t kFailuresUntilPause = 3;
constexpr std::chrono::hours kRetryAfterMax{1};
constexpr size_t kRecordMax = 1'024;
// Of what was dropped, while nothing can be recorded; what is not may come again after a restart.
constexpr size_t kDroppedMax = 65'536;
constexpr std::chrono::minutes kSayEvery{1};

constexpr std::string_view kOutcomeNames[] = {"", "delivered", "failed", "expired", "dropped"};

// What an answer means for the effect: 408 and 429 ask for another attempt, and a server's own
// failure may pass; a redirect, like any other refusal, is the same tomorrow.
bool IsTaken(int status) { return status >= 200 && status < 300; }
bool IsRefused(int status) {
  return status >= 300 && status < 500 && status != 408 && status != 429;
}

std::string Why(const HttpAnswer& answer) {
  if (answer.status == 0) return answer.failure;
  std::string why = fmt::format("it answers with status {}", answer.status);
  if (answer.status < 400) why += ", and redirects are not followed: name the final address";
  return why;
}

}  // namespace

std::string_view OutcomeName(EffectOutcome outcome) {
  return kOutcomeNames[static_cast<size_t>(outcome)];
}

WebhookOutbox::WebhookOutbox(std::string name, WebhookOutboxOptions options, const Clock& clock)
    : name_(std::move(name)), options_(options), clock_(clock), random_(options.seed) {}

void WebhookOutbox::Append(const Effect& effect) {
  auto owned = std::make_shared<const OwnedEffect>(effect);
  const size_t size = kEntryBytes + effect.payload.size();
  const Nanoseconds now = clock_.Steady();
  const std::lock_guard lock(mutex_);
  if (!holds()) {
    while (bytes() > 0 && bytes() + size > options_.bytes_max && DropOldest()) {
    }
  }
  const uint64_t number = next_number_++;
  Lane& lane = lanes_[effect.key_hash];
  if (lane.first == 0) {
    lane.first = number;
    heads_.emplace(Nanoseconds{0}, number);
  } else {
    entries_.at(lane.last).next = number;
  }
  lane.last = number;
  entries_.emplace(
      number, Entry{.effect = std::move(owned), .deadline = now + effect.lifetime, .bytes = size});
  bytes_.fetch_add(size, std::memory_order_relaxed);
  effects_.fetch_add(1, std::memory_order_relaxed);
}

bool WebhookOutbox::DropOldest() {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.state != State::kWaiting) continue;
    if (dropped_.size() < kDroppedMax)
      dropped_.push_back({entry->second.effect->effect.id, EffectOutcome::kDropped});
    End(entry, EffectOutcome::kDropped);
    ended_.pop_back();
    Forget(entry);
    return true;
  }
  return false;
}

std::vector<std::shared_ptr<const OwnedEffect>> WebhookOutbox::Waiting() const {
  std::vector<std::shared_ptr<const OwnedEffect>> waiting;
  const std::lock_guard lock(mutex_);
  waiting.reserve(entries_.size());
  for (const auto& [number, entry] : entries_) waiting.push_back(entry.effect);
  return waiting;
}

std::optional<WebhookOutbox::Attempt> WebhookOutbox::Next() {
  const Nanoseconds now = clock_.Steady();
  const std::lock_guard lock(mutex_);
  Expire(now);
  if (now < paused_until_ || in_flight_ >= in_flight_limit()) return std::nullopt;
  while (!heads_.empty() && heads_.begin()->first <= now) {
    const auto entry = entries_.find(heads_.begin()->second);
    if (entry->second.deadline > now) break;
    End(entry, EffectOutcome::kExpired);
  }
  if (heads_.empty() || heads_.begin()->first > now) return std::nullopt;
  const uint64_t number = heads_.begin()->second;
  heads_.erase(heads_.begin());
  Entry& entry = entries_.at(number);
  entry.state = State::kOnItsWay;
  ++in_flight_;
  return Attempt{number, entry.effect};
}

// Deadlines rise with the numbers but for little, so the first that waits and has not expired ends
// the look.
void WebhookOutbox::Expire(Nanoseconds now) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.state != State::kWaiting) continue;
    if (entry->second.deadline > now) return;
    End(entry, EffectOutcome::kExpired);
  }
}

size_t WebhookOutbox::in_flight_limit() const {
  return failures_ >= kFailuresUntilPause ? 1 : options_.in_flight_max;
}

void WebhookOutbox::Finish(uint64_t number, const HttpAnswer& answer) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(number);
  GEMEL_ASSERT(entry != entries_.end() && entry->second.state == State::kOnItsWay);
  --in_flight_;
  const bool is_taken = IsTaken(answer.status);
  if (!is_taken) why_ = Why(answer);
  if (!is_taken && !IsRefused(answer.status)) {
    Retry(entry, answer);
    return;
  }
  failures_ = 0;
  End(entry, is_taken ? EffectOutcome::kDelivered : EffectOutcome::kFailed);
}

void WebhookOutbox::Retry(Entries::iterator entry, const HttpAnswer& answer) {
  const Nanoseconds now = clock_.Steady();
  retries_.Add();
  ++failures_;
  // Several that fail together are one failure of the webhook.
  if (failures_ >= kFailuresUntilPause && now >= paused_until_)
    paused_until_ = now + Delay(failures_ - kFailuresUntilPause + 1);
  const Nanoseconds asked = std::min<Nanoseconds>(answer.retry_after, kRetryAfterMax);
  if (asked > Nanoseconds{0}) paused_until_ = std::max(paused_until_, now + asked);
  Entry& retried = entry->second;
  retried.due = now + Delay(++retried.attempts);
  retried.state = State::kWaiting;
  heads_.emplace(retried.due, entry->first);
  if (retried.deadline <= now) End(entry, EffectOutcome::kExpired);
}

// After so many attempts: in (d/2, d].
WebhookOutbox::Nanoseconds WebhookOutbox::Delay(uint32_t attempts) {
  constexpr uint32_t kDoublingsMax = 20;
  const uint32_t doublings = std::min(attempts - 1, kDoublingsMax);
  const int64_t most =
      std::min(options_.retry_min * (int64_t{1} << doublings), options_.retry_max).count();
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(most / 2 + 1, most)(random_));
}

void WebhookOutbox::End(Entries::iterator entry, EffectOutcome outcome) {
  Unlink(entry);
  entry->second.state = State::kEnded;
  entry->second.outcome = outcome;
  ended_.push_back(entry->first);
  ended_count_[static_cast<size_t>(outcome)].Add();
}

void WebhookOutbox::Unlink(Entries::iterator entry) {
  const Entry& ended = entry->second;
  const auto found = lanes_.find(ended.effect->effect.key_hash);
  Lane& lane = found->second;
  if (lane.first == entry->first) {
    if (ended.state == State::kWaiting) heads_.erase({ended.due, entry->first});
    lane.first = ended.next;
    if (lane.first != 0) {
      heads_.emplace(Nanoseconds{0}, lane.first);
    } else {
      lanes_.erase(found);
    }
    return;
  }
  // It was dropped, or has expired, behind one that is on its way: so it is near the first.
  auto before = entries_.find(lane.first);
  while (before->second.next != entry->first) before = entries_.find(before->second.next);
  before->second.next = ended.next;
  if (lane.last == entry->first) lane.last = before->first;
}

void WebhookOutbox::Forget(Entries::iterator entry) {
  bytes_.fetch_sub(entry->second.bytes, std::memory_order_relaxed);
  effects_.fetch_sub(1, std::memory_order_relaxed);
  entries_.erase(entry);
}

std::optional<Nanoseconds> WebhookOutbox::Wait() const {
  const Nanoseconds now = clock_.Steady();
  const std::lock_guard lock(mutex_);
  std::optional<Nanoseconds> until;
  if (!heads_.empty() && in_flight_ < in_flight_limit())
    until = std::max(paused_until_, heads_.begin()->first);
  // Or the oldest one expires before that.
  const auto oldest = std::ranges::find_if(
      entries_, [](const auto& entry) { return entry.second.state == State::kWaiting; });
  if (oldest != entries_.end())
    until = std::min(until.value_or(oldest->second.deadline), oldest->second.deadline);
  if (!until) return std::nullopt;
  return std::max(*until - now, Nanoseconds{0});
}

void WebhookOutbox::Report(const std::function<bool(std::span<const EndedEffect>)>& record) {
  while (true) {
    std::vector<uint64_t> numbers;
    std::vector<EndedEffect> report;
    {
      const std::lock_guard lock(mutex_);
      report = dropped_;
      for (const uint64_t number : std::span(ended_).first(std::min(kRecordMax, ended_.size()))) {
        const Entry& entry = entries_.at(number);
        report.push_back({entry.effect->effect.id, entry.outcome});
        numbers.push_back(number);
      }
    }
    if (report.empty() || !record(report)) return;
    const std::lock_guard lock(mutex_);
    // More may have come behind what was taken.
    dropped_.erase(dropped_.begin(),
                   dropped_.begin() + static_cast<std::ptrdiff_t>(report.size() - numbers.size()));
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(numbers.size()));
    for (const uint64_t number : numbers) Forget(entries_.find(number));
  }
}

void WebhookOutbox::Say() {
  const Nanoseconds now = clock_.Steady();
  const auto because = [this] {
    const std::lock_guard lock(mutex_);
    return log::Quoted(why_.empty() ? "it was not reached within retry_for" : why_);
  };
  uint32_t failures = 0;
  {
    const std::lock_guard lock(mutex_);
    failures = failures_;
  }
  if (failures >= kFailuresUntilPause && !is_failing_said_) {
    log::Warning("webhook=failing name={} waiting={} because={}", log::Quoted(name_), effects(),
                 because());
    is_failing_said_ = true;
  }
  if (failures == 0 && is_failing_said_) {
    log::Info("webhook=answering name={} waiting={}", log::Quoted(name_), effects());
    is_failing_said_ = false;
  }
  if (said_at_ && now - *said_at_ < kSayEvery) return;
  for (const auto outcome :
       {EffectOutcome::kFailed, EffectOutcome::kExpired, EffectOutcome::kDropped}) {
    uint64_t& said = said_count_[static_cast<size_t>(outcome)];
    const uint64_t total = ended(outcome);
    if (total == said) continue;
    log::Warning(
        "webhook={} name={} alerts={} because={}", OutcomeName(outcome), log::Quoted(name_),
        total - said,
        outcome == EffectOutcome::kDropped ? log::Quoted("its outbox is full") : because());
    said = total;
    said_at_ = now;
  }
}

}  // namespace gemel::effects
