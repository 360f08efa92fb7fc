#include "gateway/simulate/simulation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gateway/base/assert.h"
#include "gateway/base/log.h"

namespace gemel::simulate {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Acknowledgements and a request to stop are looked for so often.
constexpr nanoseconds kRestMax = milliseconds(10);
// With as much on its way as allowed, only acknowledgements help.
constexpr nanoseconds kRestFull = milliseconds(1);
// A round may not keep commands and acknowledgements waiting.
constexpr int kCallsPerStep = 64;
constexpr int kCommandsPerStep = 1'024;
constexpr nanoseconds kProgressEvery = milliseconds(500);
// After the last telemetry was acknowledged, commands that answer it may come still.
constexpr nanoseconds kQuietForEnd = milliseconds(300);
constexpr nanoseconds kLingerMax = milliseconds(2'000);
constexpr nanoseconds kLastAnswersMax = milliseconds(1'000);

constexpr uint64_t kAnswerTag = uint64_t{1} << 32;

bool IsTelemetry(uint64_t tag) { return tag < kAnswerTag; }

}  // namespace

Simulation::Simulation(Fleet& fleet, mqtt::Publisher& publisher, mqtt::Receiver* receiver,
                       const Clock& clock, SimulationOptions options, TruthHandler on_truth)
    : fleet_(fleet),
      publisher_(publisher),
      receiver_(receiver),
      clock_(clock),
      options_(options),
      on_truth_(std::move(on_truth)),
      queue_(clock),
      delivery_(publisher, clock, Events()),
      handed_over_(fleet.devices()) {}

// The receiver's thread must not meet a queue that has gone.
Simulation::~Simulation() {
  is_over_ = true;
  if (receiver_ != nullptr) receiver_->Stop();
}

DeliveryEvents Simulation::Events() {
  return {.on_sent =
              [this](uint64_t tag, nanoseconds at) {
                if (!IsTelemetry(tag)) return;
                ++counts_.sent;
                auto& last = handed_over_[tag];
                last = {at, last[0]};
              },
          .on_acknowledged =
              [this](uint64_t tag) {
                if (IsTelemetry(tag)) ++counts_.acknowledged;
              },
          .on_refused =
              [this](uint64_t /*tag*/, const Status& why) {
                if (counts_.refused++ == 0) log::Error("simulate: {}", why.message());
              }};
}

Status Simulation::Run(const std::atomic<bool>& is_stopping, const ProgressHandler& on_progress) {
  GEMEL_TRY(Connect(is_stopping));
  if (is_stopping) return Status::Ok();
  Begin();
  nanoseconds next_progress = kProgressEvery;
  while (!is_stopping && !has_ended()) {
    const nanoseconds rest = Step();
    if (rest.count() > 0) Rest(rest);
    if (!on_progress || Elapsed() < next_progress) continue;
    on_progress(summary());
    next_progress = Elapsed() + kProgressEvery;
  }
  Drain();
  return Finish();
}

Status Simulation::Connect(const std::atomic<bool>& is_stopping) {
  GEMEL_TRY(ConnectPublisher(is_stopping));
  return receiver_ == nullptr ? Status::Ok() : Subscribe(is_stopping);
}

Status Simulation::ConnectPublisher(const std::atomic<bool>& is_stopping) {
  const nanoseconds deadline = clock_.Steady() + options_.connect_patience;
  while (!is_stopping) {
    Status status = delivery_.Connect();
    if (status.ok()) break;
    if (status.code() == Code::kInvalid || clock_.Steady() >= deadline) return status;
    queue_.Rest(milliseconds(100));
  }
  was_connected_ = true;
  return Status::Ok();
}

Status Simulation::Subscribe(const std::atomic<bool>& is_stopping) {
  const std::string filter = fleet_.CommandFilter();
  GEMEL_TRY(receiver_->Start(
      {{.filter = filter, .qos = 1}},
      [this](const mqtt::Inbound& message) { queue_.Push(message.topic, message.payload); },
      [this](bool is_receiving, std::string_view why) {
        if (!is_receiving && !is_over_) log::Warning("simulate: no commands: {}", why);
        queue_.Wake();
      }));
  const nanoseconds deadline = clock_.Steady() + options_.connect_patience;
  while (!is_stopping && !receiver_->is_receiving()) {
    if (clock_.Steady() >= deadline) {
      return Unavailable(fmt::format("cannot subscribe to {} within {} s", filter,
                                     options_.connect_patience.count() / 1'000));
    }
    queue_.Rest(kRestMax);
  }
  return Status::Ok();
}

void Simulation::Begin() {
  const Time start = clock_.Now();
  fleet_.Begin(start);
  pacer_.emplace(options_.pace, start);
  began_ = clock_.Steady();
  is_ticking_ = true;
}

bool Simulation::has_ended() const {
  return (options_.duration && Elapsed() >= *options_.duration) ||
         (options_.messages && fleet_.stats().telemetry >= *options_.messages);
}

nanoseconds Simulation::Step() {
  HandOverCommands();
  const nanoseconds rest = TickDue();
  delivery_.Pump(milliseconds(0));
  ReportConnection();
  return rest;
}

// While messages wait for room on the connection, an acknowledgement is what changes something, and
// a small window needs it at once.
void Simulation::Rest(nanoseconds longest) {
  if (delivery_.is_blocked()) {
    delivery_.Pump(milliseconds(1));
  } else {
    queue_.Rest(longest);
  }
}

void Simulation::HandOverCommands() {
  for (int i = 0; i < kCommandsPerStep; ++i) {
    const std::optional<CommandQueue::Entry> entry = queue_.Next();
    if (!entry) return;
    const std::optional<uint32_t> device = fleet_.DeviceOf(entry->topic);
    if (!device) continue;
    // Before the device publishes what the command makes it say.
    const std::optional<nanoseconds> latency = LatencyOf(*device, entry->arrived);
    const Time at = pacer_->VirtualNow(Elapsed()).value_or(fleet_.now());
    const CommandOutcome outcome =
        fleet_.HandleCommand(*device, entry->payload, at, clock_.Now(), *this);
    const bool is_first = outcome == CommandOutcome::kDone || outcome == CommandOutcome::kFailed ||
                          outcome == CommandOutcome::kExpired;
    if (is_first && latency) latency_.Add(*latency);
  }
}

// Nothing if the device had sent nothing by then.
std::optional<nanoseconds> Simulation::LatencyOf(uint32_t device, nanoseconds arrived) const {
  for (const nanoseconds at : handed_over_[device]) {
    if (at.count() != 0 && at <= arrived) return arrived - at;
  }
  return std::nullopt;
}

nanoseconds Simulation::TickDue() {
  for (int i = 0; i < kCallsPerStep; ++i) {
    if (!is_ticking_ || has_ended()) return kRestMax;
    if (!delivery_.has_room()) return kRestFull;
    const Time next = fleet_.NextAt();
    if (next == kNoTime) return kRestMax;
    const nanoseconds wait = pacer_->WaitFor(next, fleet_.stats().telemetry, Elapsed());
    if (wait.count() > 0) return std::min(wait, kRestMax);
    fleet_.RunOne(next, *this);
  }
  return nanoseconds(0);
}

void Simulation::OnMessage(const FleetMessage& message) {
  const bool is_telemetry = message.kind == FleetMessage::Kind::kTelemetry;
  delivery_.Offer({.topic = std::string(message.topic),
                   .payload = std::string(message.payload),
                   .qos = is_telemetry ? options_.qos : 1},
                  is_telemetry ? message.device : kAnswerTag);
}

void Simulation::OnTruth(const Truth& truth) {
  if (on_truth_) on_truth_(truth);
}

void Simulation::ReportConnection() {
  if (delivery_.is_connected() == was_connected_) return;
  was_connected_ = delivery_.is_connected();
  if (was_connected_) {
    log::Info("simulate: connected again");
  } else {
    log::Warning("simulate: {}", delivery_.why());
  }
}

void Simulation::Drain() {
  is_ticking_ = false;
  const nanoseconds deadline = clock_.Steady() + options_.drain_patience;
  while (!delivery_.is_empty() && clock_.Steady() < deadline) {
    Step();
    Rest(kRestFull);
  }
  lasted_ = Elapsed();
  if (receiver_ == nullptr || !delivery_.is_empty()) return;
  const nanoseconds end = clock_.Steady() + kLingerMax;
  nanoseconds quiet_since = clock_.Steady();
  while (clock_.Steady() < std::min(end, quiet_since + kQuietForEnd)) {
    const uint64_t before = fleet_.stats().commands;
    Step();
    if (fleet_.stats().commands != before) quiet_since = clock_.Steady();
    Rest(kRestFull);
  }
}

Status Simulation::Finish() {
  is_over_ = true;
  if (receiver_ != nullptr) receiver_->Stop();
  Step();
  // The answers to the last commands.
  const nanoseconds deadline = clock_.Steady() + kLastAnswersMax;
  while (!delivery_.is_empty() && delivery_.is_connected() && clock_.Steady() < deadline) {
    delivery_.Pump(milliseconds(10));
  }
  counts_.refused += publisher_.refused_total();
  publisher_.Disconnect();
  if (counts_.sent != counts_.acknowledged || !delivery_.is_empty()) {
    return Unavailable(fmt::format(
        "the broker did not acknowledge {} of {} messages within {} s{}{}",
        counts_.sent - counts_.acknowledged, counts_.sent, options_.drain_patience.count() / 1'000,
        delivery_.why().empty() ? "" : ": ", delivery_.why()));
  }
  if (counts_.refused > 0) {
    return Unavailable(fmt::format("{} messages were refused", counts_.refused));
  }
  return Status::Ok();
}

SimulationSummary Simulation::summary() const {
  SimulationSummary summary = counts_;
  summary.repeated = delivery_.repeated();
  summary.commands = fleet_.stats().commands;
  summary.commands_dropped = queue_.dropped();
  summary.calls_failed = fleet_.stats().calls_failed;
  summary.p50 = latency_.Quantile(0.50);
  summary.p99 = latency_.Quantile(0.99);
  if (pacer_) summary.elapsed = lasted_.value_or(Elapsed());
  return summary;
}

}  // namespace gemel::simulate
