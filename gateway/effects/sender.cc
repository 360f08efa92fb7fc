#include "gateway/effects/sender.h"

#include <pthread.h>

#include <algorithm>

#include "gateway/base/log.h"

namespace gemel::effects {
namespace {

using std::chrono::milliseconds;

// How often acknowledgements are collected while nothing new comes: they only free memory.
constexpr milliseconds kCollectEvery{20};
constexpr milliseconds kStatusPatience{1'000};

}  // namespace

Sender::Sender(Outbox& outbox, Parker& woken, mqtt::Publisher& publisher, const Clock& clock,
               SenderOptions options)
    : outbox_(outbox),
      woken_(woken),
      publisher_(publisher),
      clock_(clock),
      options_(std::move(options)),
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
    if (flights_.empty() && outbox_.is_empty()) {
      is_drained_.store(true);
      break;
    }
    if (std::chrono::steady_clock::now() >= stop_at_) break;
    CollectAcknowledgements(kCollectEvery);
  }
  SayGoodbye();
}

void Sender::RunOnce() {
  TakeBatch();
  if (is_connected_) Send();  // first: devices wait for it
  CollectAcknowledgements(milliseconds(0));
  if (publisher_.is_connected() || std::chrono::steady_clock::now() < next_attempt_) return;
  Connect();
  if (is_connected_) Send();
}

void Sender::Send() {
  if (has_new_status_.exchange(false) && !SendStatus()) has_new_status_.store(true);
  if (!SendWaiting()) is_connected_.store(publisher_.is_connected());
}

void Sender::Connect() {
  if (is_connected_.exchange(false))
    log::Warning("publisher=disconnected in_flight={}", flights_.size());
  if (Status status = publisher_.Connect(); !status.ok()) {
    if (!has_failed_)
      log::Warning("publisher=unreachable because={}", log::Quoted(status.message()));
    has_failed_ = true;
    next_attempt_ = std::chrono::steady_clock::now() + backoff_.Next();
    return;
  }
  has_failed_ = false;
  backoff_.Reset();
  // Tokens of the old connection are never acknowledged: what they stood for goes again, in order.
  std::erase_if(flights_, [](const Flight& flight) { return flight.is_done; });
  for (Flight& flight : flights_) flight.is_sent = false;
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
  // Its token is not kept: a status that gets lost is sent again with the next connection.
  return message.payload.empty() || publisher_.Publish(message).ok();
}

void Sender::TakeBatch() {
  if (!outbox_.Take(batch_)) return;
  BatchReader reader(batch_);
  Effect effect;
  size_t bytes = 0;
  while (reader.Next(effect, bytes)) {
    flights_.push_back({.message = {.topic = std::string(effect.topic),
                                    .payload = std::string(effect.payload),
                                    .qos = 1,
                                    .is_retained = effect.is_retained,
                                    .expiry = {}},
                        .expires = effect.expires,
                        .kind = effect.kind,
                        .model = effect.model,
                        .bytes = bytes});
  }
}

bool Sender::SendWaiting() {
  for (; waiting_from_ < flights_.size(); ++waiting_from_) {
    Flight& flight = flights_[waiting_from_];
    if (!flight.is_sent && !SendOne(flight)) return false;
  }
  ForgetFinished();
  return true;
}

bool Sender::SendOne(Flight& flight) {
  if (flight.expires != kNoTime) {
    const Duration left = flight.expires - clock_.Now();
    if (left <= Duration::zero()) {
      stats_.commands[flight.model].expired.Add();
      flight.is_sent = true;
      flight.token = last_token_;  // tokens of flights never fall, so that they can be searched
      Finish(flight);
      return true;
    }
    // Whole seconds, rounded down so that the broker is never late; 0 would mean no expiry to some.
    flight.message.expiry =
        std::max(std::chrono::seconds(1), std::chrono::floor<std::chrono::seconds>(left));
  }
  const Result<mqtt::Publisher::Token> token = publisher_.Publish(flight.message);
  if (!token.ok()) {
    if (token.status().code() == Code::kFull) CollectAcknowledgements(kCollectEvery);
    return false;
  }
  flight.token = last_token_ = *token;
  flight.is_sent = true;
  if (flight.kind == EffectKind::kCommand) stats_.commands[flight.model].sent.Add();
  return true;
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
    if (found->kind == EffectKind::kAlert) stats_.alerts_delivered.Add();
    if (found->kind == EffectKind::kDeadLetter) stats_.dead_letters_delivered.Add();
    Finish(*found);
  }
  if (!tokens_.empty()) ForgetFinished();
}

void Sender::Finish(Flight& flight) {
  flight.is_done = true;
  outbox_.Forget(flight.bytes);
}

void Sender::ForgetFinished() {
  while (!flights_.empty() && flights_.front().is_done && waiting_from_ > 0) {
    flights_.pop_front();
    --waiting_from_;
  }
}

void Sender::Rest() {
  std::optional<std::chrono::nanoseconds> timeout;
  if (!is_connected_) {
    timeout = next_attempt_ - std::chrono::steady_clock::now();
  } else if (waiting_from_ < flights_.size()) {
    return;  // the window was full: go on at once
  } else if (!flights_.empty()) {
    timeout = kCollectEvery;
  } else {
    timeout = std::chrono::seconds(1);  // to notice a lost connection
  }
  std::this_thread::yield();  // as a shard does, and why
  if (is_connected_ && !outbox_.is_empty()) return;
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
  const auto token = publisher_.Publish({.topic = options_.status_topic,
                                         .payload = options_.offline_status,
                                         .qos = 1,
                                         .is_retained = true,
                                         .expiry = {}});
  const auto until = std::chrono::steady_clock::now() + kStatusPatience;
  while (token.ok() && publisher_.is_connected() && std::chrono::steady_clock::now() < until) {
    tokens_.clear();
    publisher_.Acknowledged(tokens_, kCollectEvery);
    if (std::ranges::find(tokens_, *token) != tokens_.end()) break;
  }
  publisher_.Disconnect();
  is_connected_.store(false);
}

}  // namespace gemel::effects
