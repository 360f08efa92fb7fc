#include "gateway/effects/sender.h"

#include <pthread.h>

#include <algorithm>

#include "gateway/base/crash_point.h"
#include "gateway/base/log.h"

namespace gemel::effects {
namespace {

using std::chrono::milliseconds;

// How often acknowledgements are collected while nothing new comes: they only free memory.
constexpr milliseconds kCollectEvery{20};
// How many effects that are done with are reported together, and how long the first one waits: what
// is not reported when the process ends goes again, under its id.
constexpr size_t kReportMax = 1'024;
constexpr milliseconds kReportEvery{20};
// How often notices that wait for a rate are looked at.
constexpr milliseconds kReleaseEvery{100};
// The share of the outbox's bound that they may fill: below the half at which intake goes on.
constexpr size_t kHeldShare = 4;
constexpr milliseconds kStatusPatience{1'000};
constexpr std::chrono::seconds kRefreshEvery{5};
constexpr std::chrono::minutes kSayDroppedEvery{1};
// A connection that held so long was a good one. Shorter ones are backed off from: two gateways
// with one client id throw each other out as fast as they can. But a broker that was restarted is
// worth a quick look.
constexpr std::chrono::seconds kConnectionSettled{5};
constexpr milliseconds kDelayAfterLossMax{2'000};

}  // namespace

Sender::Sender(Outbox& outbox, Parker& woken, mqtt::Publisher& publisher, const Clock& clock,
               SenderOptions options)
    : outbox_(outbox),
      woken_(woken),
      publisher_(publisher),
      clock_(clock),
      options_(std::move(options)),
      limit_(options_.notices, options_.models),
      backoff_(options_.reconnect_min, options_.reconnect_max) {
  // Counters don't move, so the vector is made at its size.
  stats_.commands = std::vector<SenderStats::Commands>(options_.models);
}

Sender::~Sender() {
  if (thread_.joinable()) DrainAndStop(milliseconds(0));
}

void Sender::Start() {
  thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "gemel-effects");
    Run();
  });
}

void Sender::SetStatus(std::string payload) {
  {
    const std::lock_guard lock(status_mutex_);
    if (payload == status_) return;
    status_ = std::move(payload);
  }
  has_new_status_.store(true, std::memory_order_seq_cst);
  woken_.Wake();
}

bool Sender::DrainAndStop(milliseconds patience) {
  stop_at_ = std::chrono::steady_clock::now() + patience;
  is_stopping_.store(true, std::memory_order_seq_cst);
  woken_.Wake();
  if (thread_.joinable()) thread_.join();
  return is_drained_.load();
}

void Sender::Run() {
  while (true) {
    RunOnce();
    if (!is_stopping_.load(std::memory_order_seq_cst)) {
      Rest();
      continue;
    }
    if (flights_.empty() && held_.empty() && outbox_.is_empty()) {
      is_drained_.store(true);
      break;
    }
    if (std::chrono::steady_clock::now() >= stop_at_) break;
    const std::lock_guard lock(flights_mutex_);
    CollectAcknowledgements(kCollectEvery);
  }
  ReportDone(true);
  SayGoodbye();
}

void Sender::RunOnce() {
  std::unique_lock lock(flights_mutex_);
  TakeBatch();
  ReleaseHeld();
  DropOldest();
  if (is_connected_) Send();  // first: devices wait for it
  CollectAcknowledgements(milliseconds(0));
  ReportDone(false);
  const auto now = std::chrono::steady_clock::now();
  if (options_.refresh_status && now >= next_refresh_) {
    next_refresh_ = now + kRefreshEvery;
    options_.refresh_status();
  }
  if (publisher_.is_connected()) return;
  NoticeLoss();
  if (now < next_attempt_) return;
  lock.unlock();
  const Status status = publisher_.Connect();
  lock.lock();
  NoticeConnect(status);
  if (is_connected_) Send();
}

void Sender::Send() {
  if (has_new_status_.exchange(false) && !SendStatus()) has_new_status_.store(true);
  if (!SendWaiting() && !publisher_.is_connected()) NoticeLoss();
}

std::vector<OwnedEffect> Sender::Unacknowledged() {
  std::vector<OwnedEffect> effects;
  const auto add = [&effects](const Effect& effect) {
    if (effect.kind != EffectKind::kDeadLetter) effects.emplace_back(effect);
  };
  const std::lock_guard lock(flights_mutex_);  // so that nothing moves from the outbox to here
  const auto add_flight = [&add](const Flight& flight) {
    add({.id = flight.id,
         .kind = flight.kind,
         .model = flight.model,
         .is_retained = flight.message.is_retained,
         .has_more = flight.has_more,
         .key_hash = flight.key_hash,
         .decided = flight.decided,
         .lifetime = flight.lifetime,
         .topic = flight.message.topic,
         .payload = flight.message.payload});
  };
  for (const Flight& flight : flights_) {
    if (!flight.is_done) add_flight(flight);
  }
  for (const auto& held : held_) add_flight(held.second);
  const std::vector<std::byte> waiting = outbox_.Waiting();
  BatchReader reader(waiting);
  Effect effect;
  size_t bytes = 0;
  while (reader.Next(effect, bytes)) add(effect);
  return effects;
}

void Sender::NoticeLoss() {
  if (!is_connected_.exchange(false)) return;
  log::Warning("publisher=disconnected in_flight={}", flights_.size());
  const auto now = std::chrono::steady_clock::now();
  if (now - connected_at_ >= kConnectionSettled) backoff_.Reset();
  next_attempt_ = now + backoff_.Next(kDelayAfterLossMax);
}

void Sender::NoticeConnect(const Status& status) {
  if (!status.ok()) {
    if (!has_failed_)
      log::Warning("publisher=unreachable because={}", log::Quoted(status.message()));
    has_failed_ = true;
    next_attempt_ = std::chrono::steady_clock::now() + backoff_.Next();
    return;
  }
  has_failed_ = false;
  connected_at_ = std::chrono::steady_clock::now();
  // Tokens of the old connection are never acknowledged: what they stood for goes again, in order.
  for (Flight& flight : flights_) flight.is_sent = flight.is_done;
  waiting_from_ = 0;
  is_connected_.store(true);
  has_new_status_.store(true);
  log::Info("publisher=connected resending={}", flights_.size());
}

bool Sender::SendStatus() {
  mqtt::Outbound message{
      .topic = options_.status_topic, .payload = {}, .qos = 1, .is_retained = true, .expiry = {}};
  {
    const std::lock_guard lock(status_mutex_);
    message.payload = status_;
  }
  if (message.payload.empty()) return true;
  // Its token is not kept: a status that gets lost is sent again with the next connection.
  const Status status = publisher_.Publish(message).status();
  return status.ok() || status.code() == Code::kInvalid;
}

void Sender::TakeBatch() {
  // Not by the wall clock, which may jump either way.
  const std::chrono::nanoseconds now = clock_.Steady();
  if (!outbox_.Take(batch_)) return;
  BatchReader reader(batch_);
  Effect effect;
  size_t bytes = 0;
  while (reader.Next(effect, bytes)) {
    std::optional<std::chrono::nanoseconds> deadline;
    if (effect.lifetime > Duration::zero()) deadline = now + effect.lifetime;
    Admit({.message = {.topic = std::string(effect.topic),
                       .payload = std::string(effect.payload),
                       .qos = 1,
                       .is_retained = effect.is_retained,
                       .expiry = {}},
           .deadline = deadline,
           .kind = effect.kind,
           .model = effect.model,
           .key_hash = effect.key_hash,
           .id = effect.id,
           .has_more = effect.has_more,
           .decided = effect.decided,
           .lifetime = effect.lifetime,
           .bytes = bytes},
          now);
  }
}

void Sender::Admit(Flight flight, std::chrono::nanoseconds now) {
  if (flight.kind != EffectKind::kAlert || !limit_.is_on()) {
    flights_.push_back(std::move(flight));
    return;
  }
  const auto waits = held_numbers_.find(flight.message.topic);
  if (flight.message.payload.empty()) {
    if (waits != held_numbers_.end()) {
      LeaveOut(TakeHeld(held_.find(waits->second)));
    }
    flights_.push_back(std::move(flight));
    return;
  }
  if (waits != held_numbers_.end()) {
    if (!flight.message.is_retained) return LeaveOut(flight);
    Flight& held = held_.at(waits->second);
    LeaveOut(held);
    held_bytes_ = held_bytes_ - held.bytes + flight.bytes;
    held = std::move(flight);
    return;
  }
  if (limit_.Take(flight.model, flight.key_hash, now)) {
    flights_.push_back(std::move(flight));
  } else if (flight.message.is_retained) {
    held_numbers_.emplace(flight.message.topic, ++next_held_);
    held_bytes_ += flight.bytes;
    held_.emplace(next_held_, std::move(flight));
  } else {
    LeaveOut(flight);
  }
}

void Sender::LeaveOut(const Flight& flight) {
  stats_.notices_limited.Add();
  outbox_.Forget(flight.bytes);
  NoteDone(flight);
}

void Sender::ReleaseHeld() {
  if (held_.empty()) return;
  // What waits at the end is the newest of its topic, and nothing comes behind it any more.
  const bool is_last = is_stopping_.load(std::memory_order_seq_cst);
  const auto now = std::chrono::steady_clock::now();
  const size_t bytes_max = outbox_.bytes_max() / kHeldShare;
  while (!held_.empty() && (is_last || held_bytes_ > bytes_max))
    flights_.push_back(TakeHeld(held_.begin()));
  if (now < next_release_) return;
  next_release_ = now + kReleaseEvery;
  for (auto next = held_.begin(); next != held_.end();) {
    const auto held = next++;
    if (limit_.Take(held->second.model, held->second.key_hash, clock_.Steady()))
      flights_.push_back(TakeHeld(held));
  }
}

Sender::Flight Sender::TakeHeld(std::map<uint64_t, Flight>::iterator held) {
  Flight flight = std::move(held->second);
  held_numbers_.erase(flight.message.topic);
  held_bytes_ -= flight.bytes;
  held_.erase(held);
  return flight;
}

void Sender::DropOldest() {
  while (outbox_.must_drop() && !held_.empty()) {
    const Flight flight = TakeHeld(held_.begin());
    outbox_.Forget(flight.bytes);
    outbox_.CountDropped();
    NoteDone(flight);
  }
  while (outbox_.must_drop() && !flights_.empty()) {
    if (!flights_.front().is_done) {
      Finish(flights_.front());
      outbox_.CountDropped();
    }
    ForgetFirst();
  }
  SayDropped();
}

void Sender::SayDropped() {
  const uint64_t dropped = outbox_.dropped();
  if (dropped == said_dropped_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_said_) return;
  log::Warning("outbox=dropping effects={} because={}", dropped - said_dropped_,
               log::Quoted("it is full, and outbox.when_full says so"));
  said_dropped_ = dropped;
  next_said_ = now + kSayDroppedEvery;
}

bool Sender::SendWaiting() {
  for (; waiting_from_ < flights_.size(); ++waiting_from_) {
    Flight& flight = flights_[waiting_from_];
    if (flight.is_done) flight.token = last_token_;  // as one that is given up, and why
    if (!flight.is_sent && !SendOne(flight)) return false;
  }
  ForgetFinished();
  return true;
}

bool Sender::SendOne(Flight& flight) {
  if (!StampExpiry(flight)) {
    stats_.commands[flight.model].expired.Add();
    GiveUp(flight);
    return true;
  }
  const Result<mqtt::Publisher::Token> token = publisher_.Publish(flight.message);
  if (!token.ok() && token.status().code() == Code::kInvalid) {
    // It would be refused again and again, and nothing behind it would ever leave.
    if (stats_.unsendable.value() == 0) {
      log::Warning("effect=unsendable topic={} because={}", log::Quoted(flight.message.topic),
                   log::Quoted(token.status().message()));
    }
    stats_.unsendable.Add();
    GiveUp(flight);
    return true;
  }
  if (!token.ok()) {
    if (token.status().code() == Code::kFull) CollectAcknowledgements(kCollectEvery);
    return false;
  }
  flight.token = last_token_ = *token;
  flight.is_sent = true;
  if (flight.kind == EffectKind::kCommand) stats_.commands[flight.model].sent.Add();
  return true;
}

// Has the message tell the broker how long it is worth something: in whole seconds, rounded up,
// because 0 would mean for ever to some. What is less than a second the device sees by expires_ms.
// False if nothing is left of it.
bool Sender::StampExpiry(Flight& flight) const {
  if (!flight.deadline) return true;
  const std::chrono::nanoseconds left = *flight.deadline - clock_.Steady();
  flight.message.expiry = std::chrono::ceil<std::chrono::seconds>(left);
  return left > std::chrono::nanoseconds::zero();
}

// Done with, though it was never sent.
void Sender::GiveUp(Flight& flight) {
  flight.is_sent = true;
  flight.token = last_token_;  // tokens of flights never fall, so that they can be searched
  Finish(flight);
}

void Sender::CollectAcknowledgements(milliseconds wait) {
  tokens_.clear();
  publisher_.Acknowledged(tokens_, wait);
  const auto sent_end = flights_.begin() + static_cast<std::ptrdiff_t>(waiting_from_);
  for (const mqtt::Publisher::Token token : tokens_) {
    // Tokens grow, and flights are sent in order.
    const auto found = std::lower_bound(
        flights_.begin(), sent_end, token,
        [](const Flight& flight, uint64_t wanted) { return flight.token < wanted; });
    if (found == sent_end || found->token != token || found->is_done) continue;
    if (found->kind == EffectKind::kCommand) stats_.commands[found->model].delivered.Add();
    Finish(*found);
  }
  if (tokens_.empty()) return;
  CountRefused();
  ForgetFinished();
}

void Sender::CountRefused() {
  const uint64_t refused = publisher_.refused_total();
  const uint64_t known = stats_.refused.value();
  if (refused == known) return;
  if (known == 0) {
    log::Warning("effects=refused because={}",
                 log::Quoted("the broker does not allow what the gateway publishes: see its "
                             "access control and gemel_effects_refused_total"));
  }
  stats_.refused.Add(refused - known);
}

void Sender::Finish(Flight& flight) {
  flight.is_done = true;
  outbox_.Forget(flight.bytes);
}

void Sender::ForgetFinished() {
  while (!flights_.empty() && flights_.front().is_done && waiting_from_ > 0) ForgetFirst();
}

void Sender::ForgetFirst() {
  NoteDone(flights_.front());
  flights_.pop_front();
  if (waiting_from_ > 0) --waiting_from_;
}

void Sender::NoteDone(const Flight& flight) {
  const bool is_reported =
      options_.on_done && flight.kind != EffectKind::kDeadLetter && !flight.has_more;
  if (!is_reported) return;
  if (done_.empty()) done_since_ = std::chrono::steady_clock::now();
  done_.push_back(flight.id);
}

void Sender::ReportDone(bool is_last) {
  if (done_.empty()) return;
  const bool is_time = is_last || done_.size() >= kReportMax ||
                       std::chrono::steady_clock::now() - done_since_ >= kReportEvery;
  if (!is_time) return;
  size_t reported = 0;
  while (reported < done_.size()) {
    const size_t count = std::min(kReportMax, done_.size() - reported);
    CrashPoint("sender.acknowledged");
    if (!options_.on_done(std::span(done_).subspan(reported, count))) break;
    reported += count;
    CrashPoint("sender.recorded");
  }
  done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(reported));
}

void Sender::Rest() {
  std::optional<std::chrono::nanoseconds> timeout;
  if (!is_connected_) {
    timeout = next_attempt_ - std::chrono::steady_clock::now();
  } else if (waiting_from_ < flights_.size()) {
    return;  // the window was full: go on at once
  } else if (!flights_.empty() || !done_.empty()) {
    timeout = kCollectEvery;
  } else {
    timeout = std::chrono::seconds(1);  // to notice a lost connection
  }
  if (!held_.empty() && timeout && *timeout > kReleaseEvery) timeout = kReleaseEvery;
  woken_.Announce();
  const bool has_news = is_connected_ && (!outbox_.is_empty() || has_new_status_.load());
  if (has_news || is_stopping_.load(std::memory_order_seq_cst)) {
    woken_.Retract();
  } else {
    woken_.Park(timeout);
  }
}

void Sender::SayGoodbye() {
  if (!publisher_.is_connected()) return;
  const mqtt::Outbound goodbye{.topic = options_.status_topic,
                               .payload = options_.offline_status,
                               .qos = 1,
                               .is_retained = true,
                               .expiry = {}};
  const auto until = std::chrono::steady_clock::now() + kStatusPatience;
  std::optional<mqtt::Publisher::Token> token;
  while (publisher_.is_connected() && std::chrono::steady_clock::now() < until) {
    if (!token) {
      // The window may be full of what was not acknowledged in time.
      const Result<mqtt::Publisher::Token> sent = publisher_.Publish(goodbye);
      if (sent.ok()) token = *sent;
      if (!sent.ok() && sent.status().code() != Code::kFull) break;
    }
    tokens_.clear();
    publisher_.Acknowledged(tokens_, kCollectEvery);
    if (token && std::ranges::find(tokens_, *token) != tokens_.end()) break;
  }
  publisher_.Disconnect();
  is_connected_.store(false);
}

}  // namespace gemel::effects
