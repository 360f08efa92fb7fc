#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/status.h"
#include "gateway/mqtt/client.h"
#include "gateway/simulate/command_queue.h"
#include "gateway/simulate/delivery.h"
#include "gateway/simulate/fleet.h"
#include "gateway/simulate/latency.h"
#include "gateway/simulate/pacer.h"

namespace gemel::simulate {

struct SimulationOptions {
  Pace pace{.speed = 1.0};
  std::optional<std::chrono::nanoseconds> duration;  // of real time; none: until told to stop
  std::optional<uint64_t> messages;                  // ends after so many, too
  int qos = 1;                                       // of telemetry; answers have 1
  std::chrono::milliseconds connect_patience{10'000};
  std::chrono::milliseconds drain_patience{5'000};  // for the last acknowledgements
};

struct SimulationSummary {
  uint64_t sent = 0;          // telemetry, each message once
  uint64_t acknowledged = 0;  // by the broker
  uint64_t repeated = 0;      // sent again after a connection was lost
  uint64_t refused = 0;       // couldn't be sent, or the broker said no
  uint64_t commands = 0;      // that reached their device, repeats left out
  uint64_t commands_dropped = 0;
  uint64_t calls_failed = 0;  // of the device model
  // From handing over the device's last telemetry to the arrival of a command for it.
  std::chrono::nanoseconds p50{0};
  std::chrono::nanoseconds p99{0};
  std::chrono::nanoseconds elapsed{0};
};

// Runs a fleet against a broker: devices and all sending on the thread that calls, commands through
// a queue from the receiver's.
class Simulation final : private FleetSink {
 public:
  using TruthHandler = std::function<void(const Truth&)>;
  using ProgressHandler = std::function<void(const SimulationSummary&)>;

  // All outlive the simulation. `receiver` is null for a fleet that takes no commands.
  Simulation(Fleet& fleet, mqtt::Publisher& publisher, mqtt::Receiver* receiver, const Clock& clock,
             SimulationOptions options, TruthHandler on_truth = nullptr);
  ~Simulation() override;

  // Connects, runs, waits for the last acknowledgements and answers, disconnects. Unavailable if
  // the broker did not answer for the whole patience at the start, or something was left
  // unacknowledged or refused at the end; a broker that goes and comes back in between is no
  // failure. `is_stopping`, set by anybody, ends it in good order.
  Status Run(const std::atomic<bool>& is_stopping, const ProgressHandler& on_progress = nullptr);
  SimulationSummary summary() const;

  // What Run does in between; for tests that drive the clock. Starts virtual time now.
  Status Connect(const std::atomic<bool>& is_stopping);
  void Begin();
  // One round: hands over commands, ticks what is due, sends, collects acknowledgements. Returns
  // how long to rest, unless a command comes.
  std::chrono::nanoseconds Step();

 private:
  void OnMessage(const FleetMessage& message) override;
  void OnTruth(const Truth& truth) override;
  DeliveryEvents Events();

  Status ConnectPublisher(const std::atomic<bool>& is_stopping);
  Status Subscribe(const std::atomic<bool>& is_stopping);
  void Rest(std::chrono::nanoseconds longest);
  void HandOverCommands();
  std::optional<std::chrono::nanoseconds> LatencyOf(uint32_t device,
                                                    std::chrono::nanoseconds arrived) const;
  std::chrono::nanoseconds TickDue();
  void Drain();
  Status Finish();
  void ReportConnection();
  bool has_ended() const;
  std::chrono::nanoseconds Elapsed() const { return clock_.Steady() - began_; }

  Fleet& fleet_;
  mqtt::Publisher& publisher_;
  mqtt::Receiver* const receiver_;
  const Clock& clock_;
  const SimulationOptions options_;
  const TruthHandler on_truth_;

  CommandQueue queue_;
  std::atomic<bool> is_over_{false};  // that the receiver stops is no news any more

  Delivery delivery_;
  std::optional<Pacer> pacer_;  // from Begin on
  std::chrono::nanoseconds began_{0};
  std::optional<std::chrono::nanoseconds> lasted_;
  bool is_ticking_ = false;
  bool was_connected_ = false;
  SimulationSummary counts_;
  Latency latency_;
  // The last two handovers of each device, the newest first: a command may have arrived before the
  // newest and wait in the queue since.
  std::vector<std::array<std::chrono::nanoseconds, 2>> handed_over_;
};

}  // namespace gemel::simulate
