#include "gateway/mqtt/paho_receiver.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <mqtt/async_client.h>

#include "gateway/base/log.h"
#include "gateway/mqtt/backoff.h"
#include "gateway/mqtt/connection.h"

namespace gemel::mqtt {
namespace {

namespace paho = ::mqtt;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Paho gives up an attempt after kConnectTimeout, but looks only every three seconds.
constexpr seconds kConnectTimeout{5};
constexpr seconds kAttemptMax{10};
static_assert(kAttemptMax > kConnectTimeout + seconds(3));
// After a shorter connection the next one is no fresh start: two gateways with one client id would
// throw each other out as fast as they can. But a broker that was restarted is worth a quick look.
constexpr seconds kConnectionSettled{5};
constexpr milliseconds kDelayAfterLossMax{2'000};
// So many attempts or short connections in a row, and the client may be what is wrong.
constexpr int kFailuresPerClient = 8;
// A loss that Paho doesn't report is found so soon.
constexpr seconds kLookEvery{1};
// Paho closes a connection first, and says so and why afterwards.
constexpr milliseconds kLossToldMax{500};
constexpr seconds kDisconnectMax{2};

class PahoReceiver final : public Receiver, private paho::iaction_listener {
 public:
  PahoReceiver(Connection connection, std::vector<std::string> unsubscribe)
      : connection_(std::move(connection)),
        unsubscribe_(std::move(unsubscribe)),
        backoff_(connection_.reconnect_min, connection_.reconnect_max) {}
  ~PahoReceiver() override { PahoReceiver::Stop(); }
  PahoReceiver(const PahoReceiver&) = delete;
  PahoReceiver& operator=(const PahoReceiver&) = delete;

  Status Start(std::vector<Subscription> subscriptions, MessageHandler on_message,
               StateHandler on_state) override;
  void Stop() override;
  bool is_receiving() const override { return is_receiving_; }

 private:
  using Tokens = std::vector<paho::token_ptr>;

  // On our thread.
  void Run();
  bool Serve();
  void MakeClient();
  paho::connect_options ConnectOptions() const;
  std::string Connect();
  std::string Use();
  Tokens SubscribeTo(const std::vector<Subscription>& subscriptions);
  std::string KeepRefused(const Tokens& tokens, std::vector<Subscription>& subscriptions);
  bool Await(const Tokens& tokens);
  bool AwaitEnd(milliseconds patience);
  std::string WhyEnded(const char* unanswered);
  void Disconnect();
  void DropClient();
  void Report(bool is_receiving, const std::string& why);

  // On Paho's, under its lock: they take our mutex, so it is never held across a call of Paho.
  void on_success(const paho::token& /*token*/) override { Wake(); }
  void on_failure(const paho::token& /*token*/) override { Wake(); }
  void OnLost() noexcept;
  void OnGoodbye(int reason) noexcept;
  void OnMessage(const paho::message& message) noexcept;
  void Complain(const char* what) noexcept;
  void Wake();

  // Constant while started.
  const Connection connection_;
  Uri uri_;
  std::vector<Subscription> subscriptions_;
  MessageHandler on_message_;
  StateHandler on_state_;

  // Our thread only.
  std::vector<std::string> unsubscribe_;
  std::unique_ptr<paho::async_client> client_;  // null before the first attempt and when in doubt
  Backoff backoff_;
  int failures_in_a_row_ = 0;
  bool has_warned_ = false;  // of a subscription that is optional and was refused
  bool is_session_resumed_ = false;
  bool was_receiving_ = false;  // as last reported
  std::string last_why_;

  std::atomic<bool> is_receiving_ = false;
  std::atomic<uint64_t> messages_heard_ = 0;

  // Between Paho's threads, ours and the one that stops: they only leave a flag for Run.
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  bool is_lost_ = false;
  std::string lost_why_;
  std::string complaint_;

  std::thread thread_;
};

// The outcome of a token that has completed: nothing, or the broker's code in words.
std::string Failure(paho::token& token, Version version) {
  try {
    token.try_wait();
    return "";
  } catch (const paho::exception& error) {
    return ReasonText(version, error.get_reason_code());
  }
}

bool IsComplete(paho::token& token) {
  try {
    return token.try_wait();
  } catch (const paho::exception&) {
    return true;
  }
}

Status PahoReceiver::Start(std::vector<Subscription> subscriptions, MessageHandler on_message,
                           StateHandler on_state) {
  GEMEL_ASSERT(!thread_.joinable());
  GEMEL_TRY_LET(uri_, CheckConnection(connection_));
  for (Subscription& subscription : subscriptions) {
    if (subscription.filter.empty() || subscription.qos < 0 || subscription.qos > 2) {
      return Invalid("subscription '" + subscription.filter + "' with QoS " +
                     std::to_string(subscription.qos) + ": allowed: a filter and QoS 0, 1 or 2");
    }
    const int most = connection_.version == Version::k5 ? 2 : 1;
    subscription.qos = std::min(subscription.qos, most);
  }
  subscriptions_ = std::move(subscriptions);
  on_message_ = std::move(on_message);
  on_state_ = std::move(on_state);
  is_stopping_ = false;
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

void PahoReceiver::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PahoReceiver::Run() {
  backoff_.Reset();
  while (true) {
    const auto begin = Clock::now();
    const bool was_connected = Serve();
    if (Clock::now() - begin >= kConnectionSettled && was_connected) {
      backoff_.Reset();
      failures_in_a_row_ = 0;
    } else if (++failures_in_a_row_ >= kFailuresPerClient) {
      DropClient();
      failures_in_a_row_ = 0;
    }
    const milliseconds delay = was_connected ? backoff_.Next(kDelayAfterLossMax) : backoff_.Next();
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, delay, [this] { return is_stopping_; })) break;
  }
  Disconnect();
  if (was_receiving_) Report(false, "stopped");
}

// One connection from the attempt to its end. Whether there was one.
bool PahoReceiver::Serve() {
  bool was_connected = false;
  std::string why;
  try {
    if (client_ == nullptr) MakeClient();
    why = Connect();
    was_connected = why.empty();
    if (was_connected) SendWithoutDelay(uri_);
    if (was_connected) why = Use();
  } catch (const std::exception& error) {
    if (was_connected && !client_->is_connected() && AwaitEnd(kLossToldMax)) {
      why = WhyEnded("SUBSCRIBE");
    } else {
      why = "connection to broker " + uri_.Text() + " is unusable: " + error.what();
    }
    DropClient();
  }
  is_receiving_ = false;
  if (!why.empty()) Report(false, why);
  return was_connected;
}

void PahoReceiver::MakeClient() {
  const int version = connection_.version == Version::k5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  client_ = std::make_unique<paho::async_client>(uri_.ForPaho(), connection_.client_id,
                                                 paho::create_options(version));
  client_->set_connection_lost_handler([this](const std::string&) { OnLost(); });
  client_->set_disconnected_handler(
      [this](const paho::properties&, paho::ReasonCode reason) { OnGoodbye(reason); });
  client_->set_message_callback(
      [this](const paho::const_message_ptr& message) { OnMessage(*message); });
}

paho::connect_options PahoReceiver::ConnectOptions() const {
  paho::connect_options options;
  const bool is_5 = connection_.version == Version::k5;
  options.set_mqtt_version(is_5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1);
  if (is_5) {
    options.set_clean_start(false);
    options.set_properties(
        {{paho::property::SESSION_EXPIRY_INTERVAL, int32_t(connection_.session_expiry.count())},
         {paho::property::RECEIVE_MAXIMUM, int32_t(connection_.receive_maximum)}});
  } else {
    options.set_clean_session(false);
  }
  options.set_automatic_reconnect(false);
  options.set_keep_alive_interval(connection_.keepalive);
  options.set_connect_timeout(kConnectTimeout);
  if (!connection_.username.empty()) options.set_user_name(connection_.username);
  if (!connection_.password.empty()) options.set_password(connection_.password);
  if (uri_.is_tls) {
    // No error handler: Paho would call it in a copy of these options that is long gone.
    paho::ssl_options tls;
    tls.set_trust_store(connection_.ca_file);
    tls.set_key_store(connection_.certificate_file);
    tls.set_private_key(connection_.key_file);
    tls.set_enable_server_cert_auth(connection_.verify_server);
    tls.set_verify(connection_.verify_server);
    options.set_ssl(std::move(tls));
  }
  return options;
}

// Empty, or why there is no connection.
std::string PahoReceiver::Connect() {
  {
    const std::lock_guard lock(mutex_);
    is_lost_ = false;
    lost_why_.clear();
  }
  const paho::token_ptr token = client_->connect(ConnectOptions(), nullptr, *this);
  if (!Await({token})) return WhyEnded("CONNECT");
  try {
    is_session_resumed_ = token->get_connect_response().is_session_present();
    return "";
  } catch (const paho::exception& error) {
    return ConnectFailure(connection_, uri_, error.get_return_code(), error.get_message());
  }
}

// Subscribes and stays until the connection ends: says why it did.
std::string PahoReceiver::Use() {
  Tokens tokens;
  for (const std::string& filter : unsubscribe_) {
    tokens.push_back(client_->unsubscribe(filter, nullptr, *this));
  }
  if (!Await(tokens)) return WhyEnded("UNSUBSCRIBE");
  unsubscribe_.clear();  // that the session didn't have one is no failure

  std::vector<Subscription> missing = subscriptions_;
  while (!missing.empty()) {
    tokens = SubscribeTo(missing);
    if (!Await(tokens)) return WhyEnded("SUBSCRIBE");
    const std::string refusal = KeepRefused(tokens, missing);
    if (missing.empty()) break;
    // The other filters do bring messages, so the connection stays while we ask again.
    Report(false, refusal);
    if (AwaitEnd(backoff_.Next()) || !client_->is_connected()) return WhyEnded("PING");
  }
  is_receiving_ = true;
  Report(true, "connected to broker " + uri_.Text() +
                   (is_session_resumed_ ? ", session resumed" : ", new session"));
  while (!AwaitEnd(kLookEvery) && client_->is_connected()) {
  }
  return WhyEnded("PING");
}

PahoReceiver::Tokens PahoReceiver::SubscribeTo(const std::vector<Subscription>& subscriptions) {
  // Live messages come without the retained flag, and retained ones only for a new subscription.
  const paho::subscribe_options options(paho::subscribe_options::SUBSCRIBE_LOCAL,
                                        paho::subscribe_options::NO_RETAIN_AS_PUBLISHED,
                                        paho::subscribe_options::SEND_RETAINED_ON_NEW);
  Tokens tokens;
  for (const Subscription& subscription : subscriptions) {
    // One packet each: for a packet of many Paho doesn't tell which one was refused.
    tokens.push_back(
        client_->subscribe(subscription.filter, subscription.qos, nullptr, *this, options));
  }
  return tokens;
}

// Leaves those that the broker refused, and says why it refused the first; optional ones are done
// without.
std::string PahoReceiver::KeepRefused(const Tokens& tokens,
                                      std::vector<Subscription>& subscriptions) {
  std::vector<Subscription> refused;
  std::string why;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string reason = Failure(*tokens[i], connection_.version);
    if (reason.empty()) continue;
    const std::string refusal = "broker " + uri_.Text() + " refuses subscription '" +
                                subscriptions[i].filter + "': " + reason;
    if (subscriptions[i].is_optional) {
      if (!has_warned_) log::Warning("receiver=incomplete because={}", log::Quoted(refusal));
      has_warned_ = true;
      continue;
    }
    if (refused.empty()) why = refusal;
    refused.push_back(subscriptions[i]);
  }
  subscriptions = std::move(refused);
  return why;
}

// False if we stop, the connection goes or the broker is silent for too long. The answer may stand
// behind all that has waited for us: Mosquitto sends that first, and not within receive maximum.
bool PahoReceiver::Await(const Tokens& tokens) {
  const auto is_complete = [&tokens] {
    return std::ranges::all_of(tokens, [](const auto& token) { return IsComplete(*token); });
  };
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return is_stopping_ || is_lost_ || is_complete(); };
  uint64_t heard = 0;
  do {
    heard = messages_heard_;
  } while (!changed_.wait_for(lock, kAttemptMax, is_over) && messages_heard_ != heard);
  const bool is_good = !is_stopping_ && !is_lost_ && is_complete();
  lock.unlock();
  // Paho completes a token before it is done with it, but under its lock: taking that once leaves
  // the token to us.
  static_cast<void>(client_->is_connected());
  return is_good;
}

// True once we stop or the connection has gone.
bool PahoReceiver::AwaitEnd(milliseconds patience) {
  std::string complaint;
  std::unique_lock lock(mutex_);
  const auto deadline = Clock::now() + patience;
  while (!is_stopping_ && !is_lost_) {
    if (!complaint_.empty()) {
      std::swap(complaint, complaint_);
      lock.unlock();
      Report(was_receiving_, complaint);
      complaint.clear();
      lock.lock();
    } else if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
      break;
    }
  }
  return is_stopping_ || is_lost_;
}

// After a wait that didn't end well. Empty if we stop; a client that hangs is thrown away.
std::string PahoReceiver::WhyEnded(const char* unanswered) {
  if (!client_->is_connected()) AwaitEnd(kLossToldMax);
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return "";
    if (is_lost_) return "connection to broker " + uri_.Text() + " lost" + lost_why_;
  }
  DropClient();
  return "no answer to " + std::string(unanswered) + " from broker " + uri_.Text();
}

void PahoReceiver::Disconnect() {
  paho::token_ptr token;  // outlives the client, which may not be done with it
  try {
    if (client_ != nullptr && client_->is_connected()) {
      // Without a session expiry of its own DISCONNECT keeps the session as CONNECT wanted it.
      token = client_->disconnect();
      token->wait_for(kDisconnectMax);
    }
  } catch (const std::exception&) {
    // It has gone already, which is what we want.
  }
  DropClient();
}

// Paho frees the broker's answer to CONNECT after the client that got it. If that was its last one,
// its list of memory is gone by then and the answer leaks: so there is another for this moment.
void PahoReceiver::DropClient() {
  if (client_ == nullptr) return;
  const paho::async_client last(uri_.ForPaho(), connection_.client_id);
  client_.reset();
}

// Only what is new: a broker that is down for a day is one line in the log.
void PahoReceiver::Report(bool is_receiving, const std::string& why) {
  if (is_receiving == was_receiving_ && why == last_why_) return;
  was_receiving_ = is_receiving;
  last_why_ = why;
  if (on_state_) on_state_(is_receiving, why);
}

void PahoReceiver::OnLost() noexcept {
  const std::lock_guard lock(mutex_);
  is_receiving_ = false;
  is_lost_ = true;
  changed_.notify_all();
}

// The broker says goodbye (MQTT 5). Paho closes the connection then, and doesn't call it lost.
void PahoReceiver::OnGoodbye(int reason) noexcept {
  const std::lock_guard lock(mutex_);
  lost_why_ = ": " + ReasonText(Version::k5, reason);
  is_receiving_ = false;
  is_lost_ = true;
  changed_.notify_all();
}

// Whatever comes out of here, PUBACK is sent; and an exception would end the process.
void PahoReceiver::OnMessage(const paho::message& message) noexcept {
  ++messages_heard_;
  try {
    on_message_({.topic = message.get_topic(),
                 .payload = message.get_payload_str(),
                 .qos = message.get_qos(),
                 .is_retained = message.is_retained(),
                 .is_duplicate = message.is_duplicate()});
  } catch (const std::exception& error) {
    Complain(error.what());
  } catch (...) {
    Complain("unknown exception");
  }
}

void PahoReceiver::Complain(const char* what) noexcept {
  const std::lock_guard lock(mutex_);
  complaint_ = "message handler threw: " + std::string(what);
  changed_.notify_all();
}

// Taking the mutex keeps the wake-up from falling between a waiter's look and its sleep.
void PahoReceiver::Wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

}  // namespace

std::unique_ptr<Receiver> MakePahoReceiver(Connection connection,
                                           std::vector<std::string> unsubscribe) {
  return std::make_unique<PahoReceiver>(std::move(connection), std::move(unsubscribe));
}

}  // namespace gemel::mqtt
