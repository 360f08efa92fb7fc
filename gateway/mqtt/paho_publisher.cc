#include "gateway/mqtt/paho_publisher.h"

#include <MQTTClient.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <limits>
#include <mutex>
#include <utility>

#include "gateway/mqtt/connection.h"

namespace gemel::mqtt {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kConnectSeconds = 5;
constexpr size_t kPacketIds = 65'536;
// Paho sleeps 100 ms when its own window is full, so ours is full before.
constexpr int kPahoInFlightMax = 65'000;
// And it walks the list of what is in flight for every packet id it gives out: measured 17,000
// messages a second with 1,024 in flight, 4,300 with 8,192. Enough for 10,000 at 100 ms of
// distance.
constexpr size_t kInFlightMax = 1'024;
static_assert(kInFlightMax < kPahoInFlightMax && kPahoInFlightMax < kPacketIds);
// It also sleeps when the socket's buffer is full. What the broker has not acknowledged stays below
// what the kernel takes from one connection without anybody reading.
constexpr size_t kInFlightBytesMax = 1'024 * 1'024;
// MQTT's own bounds.
constexpr size_t kTopicBytesMax = 65'535;
constexpr size_t kPacketBytesMax = 268'435'455;
// Fixed header, packet id and properties, generously.
constexpr size_t kPacketOverheadBytes = 64;
// Paho finds a dead connection by keepalive. If it doesn't, no acknowledgement for twice as long,
// but not less than this, tells.
constexpr seconds kStallMin{10};
// A normal goodbye waits for the last acknowledgements as long as they keep coming, within reason.
constexpr milliseconds kDrainSilenceMax{2'000};
constexpr milliseconds kDrainMax{10'000};

class PahoPublisher final : public Publisher {
 public:
  PahoPublisher(Connection connection, Outbound last_will)
      : connection_(std::move(connection)), last_will_(std::move(last_will)), slots_(kPacketIds) {}
  ~PahoPublisher() override { PahoPublisher::Disconnect(); }
  PahoPublisher(const PahoPublisher&) = delete;
  PahoPublisher& operator=(const PahoPublisher&) = delete;

  Status Connect() override;
  bool is_connected() const override;
  Result<Token> Publish(const Outbound& message) override;
  void Acknowledged(std::vector<Token>& tokens, milliseconds wait) override;
  void Disconnect() override;
  uint64_t refused_total() const override { return refused_total_; }

 private:
  struct Slot {
    Token token = 0;  // 0: the packet id is free
    size_t bytes = 0;
  };

  // On the publishing thread.
  Status Create(const Uri& uri, MQTTClient& client);
  Status Open(const Uri& uri, MQTTClient client);
  void TakeLimits(const MQTTResponse& response);
  void Drop();
  Status CheckMessage(const Outbound& message) const;
  bool HasRoomFor(size_t bytes) const;
  int Send(const Outbound& message, int& packet_id);
  void Enter(int packet_id, Slot slot);
  void Leave(int packet_id);
  void Resolve(int until);
  void AwaitDelivery(milliseconds wait);

  // On Paho's thread, under its lock: they take our mutex, so it is never held across a call of
  // Paho.
  static int OnMessage(void* self, char* topic, int topic_size, MQTTClient_message* message);
  static void OnDelivered(void* self, int packet_id);
  static void OnAnswered(void* self, int packet_id, int packet_type, MQTTProperties* properties,
                         MQTTReasonCodes reason);

  const Connection connection_;
  const Outbound last_will_;

  // Any thread: whoever asks is_connected must not meet a client that is being destroyed.
  mutable std::mutex client_mutex_;
  MQTTClient client_ = nullptr;
  std::atomic<bool> is_stalled_ = false;
  std::atomic<uint64_t> refused_total_ = 0;

  // Publishing thread only.
  std::vector<Slot> slots_;    // by packet id
  std::deque<int> delivered_;  // packet ids in the order of their acknowledgement
  std::vector<Token> acknowledged_;
  Token last_token_ = 0;
  size_t in_flight_ = 0;
  size_t in_flight_bytes_ = 0;
  size_t window_ = kInFlightMax;
  size_t packet_bytes_max_ = kPacketBytesMax;
  Clock::time_point last_progress_;

  // Paho's callback can't reach the tokens, as Publish may not have entered this one yet: it leaves
  // packet ids, in the order of their acknowledgement.
  std::mutex mutex_;
  std::condition_variable is_delivered_;
  std::vector<int> just_delivered_;
};

// A list of one MQTT 5 property. Not made by Paho's functions, because in this program they are
// those of the asynchronous library, whose memory comes and goes with its clients.
class Property {
 public:
  static Property Byte(MQTTPropertyCodes code, uint8_t value) {
    Property property(code, 1 + sizeof value);
    property.property_.value.byte = value;
    return property;
  }
  static Property FourBytes(MQTTPropertyCodes code, uint32_t value) {
    Property property(code, 1 + sizeof value);
    property.property_.value.integer4 = value;
    return property;
  }
  // Lives as long as this.
  MQTTProperties list() {
    return {.count = 1, .max_count = 1, .length = encoded_bytes_, .array = &property_};
  }

 private:
  Property(MQTTPropertyCodes code, int encoded_bytes) : encoded_bytes_(encoded_bytes) {
    property_.identifier = code;
  }

  MQTTProperty property_{};
  int encoded_bytes_;
};

// Paho also keeps its own, negative errors in the enumeration of the broker's answers, which can't
// hold them by the rules of C++.
int TakeOutcome(const MQTTResponse& response) {
  int outcome = 0;
  static_assert(sizeof(outcome) == sizeof(response.reasonCode));
  std::memcpy(&outcome, &response.reasonCode, sizeof outcome);
  MQTTResponse_free(response);
  return outcome;
}

const char* OrNull(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

Status PahoPublisher::Connect() {
  GEMEL_TRY_LET(const Uri uri, CheckConnection(connection_));
  Drop();
  MQTTClient client = nullptr;
  Status status = Create(uri, client);
  if (status.ok()) status = Open(uri, client);
  if (!status.ok()) {
    MQTTClient_destroy(&client);
    return status;
  }
  SendWithoutDelay(uri);
  const std::lock_guard lock(client_mutex_);
  client_ = client;
  return status;
}

Status PahoPublisher::Create(const Uri& uri, MQTTClient& client) {
  MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
  const bool is_5 = connection_.version == Version::k5;
  options.MQTTVersion = is_5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  const std::string id = connection_.client_id + "-pub";
  int outcome = MQTTClient_createWithOptions(&client, uri.ForPaho().c_str(), id.c_str(),
                                             MQTTCLIENT_PERSISTENCE_NONE, nullptr, &options);
  if (outcome == MQTTCLIENT_SUCCESS) {
    // No callback for a lost connection: Paho calls it on a thread that may outlive the client.
    outcome = MQTTClient_setCallbacks(client, this, nullptr, OnMessage, OnDelivered);
  }
  if (outcome == MQTTCLIENT_SUCCESS && is_5) {
    outcome = MQTTClient_setPublished(client, this, OnAnswered);
  }
  if (outcome == MQTTCLIENT_SUCCESS) return Status::Ok();
  return Invalid("cannot make MQTT client '" + id + "': " + MQTTClient_strerror(outcome));
}

Status PahoPublisher::Open(const Uri& uri, MQTTClient client) {
  const bool is_5 = connection_.version == Version::k5;
  MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
  options.MQTTVersion = is_5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  options.cleansession = is_5 ? 0 : 1;
  options.cleanstart = is_5 ? 1 : 0;
  options.keepAliveInterval = static_cast<int>(connection_.keepalive.count());
  options.connectTimeout = kConnectSeconds;
  options.reliable = 0;
  options.maxInflightMessages = kPahoInFlightMax;
  options.username = OrNull(connection_.username);
  options.binarypwd.data = OrNull(connection_.password);
  options.binarypwd.len = static_cast<int>(connection_.password.size());
  MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
  will.topicName = last_will_.topic.c_str();
  will.payload.data = last_will_.payload.data();
  will.payload.len = static_cast<int>(last_will_.payload.size());
  will.qos = last_will_.qos;
  will.retained = last_will_.is_retained ? 1 : 0;
  if (!last_will_.topic.empty()) options.will = &will;
  MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
  tls.trustStore = OrNull(connection_.ca_file);
  tls.keyStore = OrNull(connection_.certificate_file);
  tls.privateKey = OrNull(connection_.key_file);
  tls.enableServerCertAuth = connection_.verify_server ? 1 : 0;
  tls.verify = connection_.verify_server ? 1 : 0;
  if (uri.is_tls) options.ssl = &tls;

  if (!is_5) {
    const int outcome = MQTTClient_connect(client, &options);
    if (outcome == MQTTCLIENT_SUCCESS) return Status::Ok();
    return Unavailable(ConnectFailure(connection_, uri, outcome, ""));
  }
  // Else a broker may explain every acknowledgement at length.
  Property terse = Property::Byte(MQTTPROPERTY_CODE_REQUEST_PROBLEM_INFORMATION, 0);
  MQTTProperties properties = terse.list();
  const MQTTResponse response = MQTTClient_connect5(client, &options, &properties, nullptr);
  TakeLimits(response);
  const int outcome = TakeOutcome(response);
  if (outcome == MQTTCLIENT_SUCCESS) return Status::Ok();
  return Unavailable(ConnectFailure(connection_, uri, outcome, ""));
}

// What the broker says it can take; Paho enforces the first by sleeping, the second not at all.
void PahoPublisher::TakeLimits(const MQTTResponse& response) {
  if (response.properties == nullptr) return;
  for (int i = 0; i < response.properties->count; ++i) {
    const MQTTProperty& property = response.properties->array[i];
    if (property.identifier == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM) {
      window_ = std::clamp<size_t>(property.value.integer2, 1, window_);
    } else if (property.identifier == MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE) {
      packet_bytes_max_ = std::min<size_t>(packet_bytes_max_, property.value.integer4);
    }
  }
}

// Forgets the client and all that it had in flight.
void PahoPublisher::Drop() {
  MQTTClient client = nullptr;
  {
    const std::lock_guard lock(client_mutex_);
    std::swap(client, client_);
  }
  if (client != nullptr) {
    MQTTClient_disconnect(client, 0);
    MQTTClient_destroy(&client);  // after it no callback comes
  }
  just_delivered_.clear();
  delivered_.clear();
  std::ranges::fill(slots_, Slot{});
  in_flight_ = 0;
  in_flight_bytes_ = 0;
  window_ = kInFlightMax;
  packet_bytes_max_ = kPacketBytesMax;
  is_stalled_ = false;
}

bool PahoPublisher::is_connected() const {
  const std::lock_guard lock(client_mutex_);
  return client_ != nullptr && !is_stalled_ && MQTTClient_isConnected(client_) != 0;
}

Status PahoPublisher::CheckMessage(const Outbound& message) const {
  const std::string& topic = message.topic;
  if (topic.empty() || topic.size() > kTopicBytesMax ||
      topic.find_first_of(std::string_view("+#\0", 3)) != std::string::npos) {
    return Invalid("cannot publish to topic '" + topic.substr(0, 100) +
                   "': allowed: 1 to 65535 bytes without +, # and NUL");
  }
  if (message.qos < 0 || message.qos > 2) {
    return Invalid("cannot publish with QoS " + std::to_string(message.qos) + ": allowed: 0 to 2");
  }
  const size_t bytes = topic.size() + message.payload.size() + kPacketOverheadBytes;
  if (bytes > packet_bytes_max_) {
    return Invalid("message of " + std::to_string(bytes) + " bytes to '" + topic +
                   "': allowed by the broker: " + std::to_string(packet_bytes_max_));
  }
  return Status::Ok();
}

// A message above the bound goes when it is alone.
bool PahoPublisher::HasRoomFor(size_t bytes) const {
  return in_flight_ == 0 || (in_flight_ < window_ && in_flight_bytes_ + bytes <= kInFlightBytesMax);
}

Result<Publisher::Token> PahoPublisher::Publish(const Outbound& message) {
  if (client_ == nullptr || is_stalled_) return Unavailable("not connected to the broker");
  GEMEL_TRY(CheckMessage(message));
  const size_t bytes = message.topic.size() + message.payload.size() + kPacketOverheadBytes;
  if (!HasRoomFor(bytes)) {
    Resolve(0);
    if (!HasRoomFor(bytes)) return Status(Code::kFull, "as many messages in flight as allowed");
  }
  int packet_id = 0;
  const int outcome = Send(message, packet_id);
  if (outcome == MQTTCLIENT_MAX_MESSAGES_INFLIGHT) {
    return Status(Code::kFull, "no packet id is free");
  }
  if (outcome == MQTTCLIENT_BAD_UTF8_STRING) {
    return Invalid("cannot publish to topic '" + message.topic + "': it is not UTF-8");
  }
  if (outcome != MQTTCLIENT_SUCCESS) {
    return Unavailable(std::string("cannot publish: ") + MQTTClient_strerror(outcome));
  }
  const Token token = ++last_token_;
  if (message.qos == 0) {
    acknowledged_.push_back(token);
  } else {
    Enter(packet_id, {.token = token, .bytes = bytes});
  }
  return token;
}

int PahoPublisher::Send(const Outbound& message, int& packet_id) {
  const int size = static_cast<int>(message.payload.size());
  const int retained = message.is_retained ? 1 : 0;
  if (connection_.version == Version::k311) {
    return MQTTClient_publish(client_, message.topic.c_str(), size, message.payload.data(),
                              message.qos, retained, &packet_id);
  }
  const int64_t most = std::numeric_limits<uint32_t>::max();
  const int64_t expiry = std::clamp<int64_t>(message.expiry.value_or(seconds(0)).count(), 0, most);
  Property expires =
      Property::FourBytes(MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, static_cast<uint32_t>(expiry));
  MQTTProperties properties = expires.list();
  return TakeOutcome(MQTTClient_publish5(client_, message.topic.c_str(), size,
                                         message.payload.data(), message.qos, retained,
                                         message.expiry ? &properties : nullptr, &packet_id));
}

void PahoPublisher::Enter(int packet_id, Slot slot) {
  GEMEL_ASSERT(packet_id > 0 && static_cast<size_t>(packet_id) < slots_.size());
  // Paho gives an id out again once it was acknowledged: we just didn't hear of that yet.
  if (slots_[packet_id].token != 0) Resolve(packet_id);
  if (slots_[packet_id].token != 0) Leave(packet_id);
  if (in_flight_ == 0) last_progress_ = Clock::now();
  slots_[packet_id] = slot;
  ++in_flight_;
  in_flight_bytes_ += slot.bytes;
}

void PahoPublisher::Leave(int packet_id) {
  --in_flight_;
  in_flight_bytes_ -= slots_[packet_id].bytes;
  slots_[packet_id] = {};
}

// Turns packet ids that Paho called delivered into tokens, up to and with `until`, or all (0): what
// comes after `until` may be about its next use.
void PahoPublisher::Resolve(int until) {
  {
    const std::lock_guard lock(mutex_);
    delivered_.insert(delivered_.end(), just_delivered_.begin(), just_delivered_.end());
    just_delivered_.clear();
  }
  if (!delivered_.empty()) last_progress_ = Clock::now();
  while (!delivered_.empty()) {
    const int packet_id = delivered_.front();
    delivered_.pop_front();
    const Token token = slots_[packet_id].token;
    if (token == 0) continue;  // nobody's: the broker made it up
    acknowledged_.push_back(token);
    Leave(packet_id);
    if (packet_id == until) return;
  }
  const auto stall = std::max<Clock::duration>(2 * connection_.keepalive, kStallMin);
  if (in_flight_ > 0 && Clock::now() - last_progress_ > stall) is_stalled_ = true;
}

void PahoPublisher::AwaitDelivery(milliseconds wait) {
  std::unique_lock lock(mutex_);
  is_delivered_.wait_for(lock, wait, [this] { return !just_delivered_.empty(); });
}

void PahoPublisher::Acknowledged(std::vector<Token>& tokens, milliseconds wait) {
  Resolve(0);
  if (acknowledged_.empty() && in_flight_ > 0 && wait.count() > 0) {
    AwaitDelivery(wait);
    Resolve(0);
  }
  tokens.insert(tokens.end(), acknowledged_.begin(), acknowledged_.end());
  acknowledged_.clear();
}

void PahoPublisher::Disconnect() {
  // Closing a socket with unread acknowledgements resets it, and DISCONNECT may be lost on the way:
  // then the broker publishes the will.
  const auto deadline = Clock::now() + kDrainMax;
  size_t left = in_flight_;
  auto silent_since = Clock::now();
  while (in_flight_ > 0 && is_connected() && Clock::now() < deadline &&
         Clock::now() - silent_since < kDrainSilenceMax) {
    AwaitDelivery(kDrainSilenceMax / 20);
    Resolve(0);
    if (in_flight_ < left) silent_since = Clock::now();
    left = in_flight_;
  }
  Drop();
}

int PahoPublisher::OnMessage(void* /*self*/, char* topic, int /*topic_size*/,
                             MQTTClient_message* message) {
  // Nothing is subscribed, but Paho insists on this callback.
  MQTTClient_freeMessage(&message);
  MQTTClient_free(topic);
  return 1;
}

void PahoPublisher::OnDelivered(void* self, int packet_id) {
  auto* publisher = static_cast<PahoPublisher*>(self);
  const std::lock_guard lock(publisher->mutex_);
  if (packet_id <= 0 || static_cast<size_t>(packet_id) >= kPacketIds) return;
  publisher->just_delivered_.push_back(packet_id);
  publisher->is_delivered_.notify_one();
}

void PahoPublisher::OnAnswered(void* self, int /*packet_id*/, int /*packet_type*/,
                               MQTTProperties* /*properties*/, MQTTReasonCodes reason) {
  if (reason >= MQTTREASONCODE_UNSPECIFIED_ERROR) {
    ++static_cast<PahoPublisher*>(self)->refused_total_;
  }
}

}  // namespace

std::unique_ptr<Publisher> MakePahoPublisher(Connection connection, Outbound last_will) {
  return std::make_unique<PahoPublisher>(std::move(connection), std::move(last_will));
}

}  // namespace gemel::mqtt
