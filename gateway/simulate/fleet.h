#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/route/template.h"
#include "gateway/sdk/model.h"
#include "gateway/simulate/command.h"
#include "gateway/simulate/device_call.h"

// A fleet of simulated devices in virtual time.
namespace gemel::simulate {

struct FleetOptions {
  std::string model;     // devices are called <model>-1 to <model>-<devices>
  uint32_t devices = 1;  // up to kDevicesMax
  uint64_t seed = 1;
  route::Template telemetry;
  std::optional<route::Template> command;  // without it no command finds its device
  std::optional<route::Template> answer;   // the route's command_ack; without it none is sent
};

inline constexpr uint32_t kDevicesMax = 10'000'000;  // what 16 GB hold of a state of 1 kB

// One message of a device. The views live only while the sink runs.
struct FleetMessage {
  enum class Kind : uint8_t { kTelemetry, kAnswer } kind = Kind::kTelemetry;
  uint32_t device = 0;  // from 0
  std::string_view topic;
  std::string_view payload;
};

// A device stated that a fault began or ended: what the judgement of its twin is compared with.
struct Truth {
  Time time;
  std::string_view model;
  std::string_view id;
  std::string_view fault;
  bool is_present = false;
};
// {"time_ms":…,"model":"truck","id":"truck-7","fault":"stalled","event":"begin"} or "end", and a
// newline.
void AppendTruthLine(const Truth& truth, std::string& out);

// Where the fleet's output goes, while it is called. Must not call the fleet.
class FleetSink {
 public:
  virtual ~FleetSink() = default;
  virtual void OnMessage(const FleetMessage& message) = 0;
  virtual void OnTruth(const Truth& truth) = 0;
};

struct FleetStats {
  uint64_t telemetry = 0;
  uint64_t answers = 0;
  uint64_t calls_failed = 0;       // of the device model; each without effect
  uint64_t commands = 0;           // that reached their device
  uint64_t commands_repeated = 0;  // of an id that the device knew: answered again, not done again
  uint64_t commands_expired = 0;
  uint64_t commands_invalid = 0;  // not as the contract says
  uint64_t commands_foreign = 0;  // for no device of this fleet
};

enum class CommandOutcome : uint8_t { kDone, kFailed, kRepeated, kExpired, kInvalid };

// N devices of one model. All that they do follows from the seed, the start and the commands: the
// same run gives the same bytes. There is no clock inside: RunOne and RunUntil move virtual time.
// One thread.
//
// A call that fails has no effect, and a device whose start or tick failed is not called again
// until a command makes it ask for a tick: with the same state it would only fail again.
class Fleet {
 public:
  // Invalid if the table can't be used, a template holds + or #, or there is no memory for so many
  // devices. `device` outlives the fleet.
  static Result<std::unique_ptr<Fleet>> Create(const gemel_device* device, FleetOptions options);
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Once, before anything else: where virtual time begins. All devices start then.
  void Begin(Time start);
  // Virtual time.
  Time now() const { return now_; }
  // When the next device is called, or kNoTime if none wants to be.
  Time NextAt() const;
  // The next call of a device, if it is due by `until`.
  bool RunOne(Time until, FleetSink& sink);
  // All calls due by `until`; then it is `until`.
  void RunUntil(Time until, FleetSink& sink);

  // The device whose command topic this is; a foreign one is counted.
  std::optional<uint32_t> DeviceOf(std::string_view topic);
  // Hands a command to the device and answers it, at virtual time `at` but not after the next call
  // that is due. `received` is what the wall clock said: a command that had expired by then is not
  // done. Whatever a stranger publishes is an outcome, no error.
  CommandOutcome HandleCommand(uint32_t device, std::string_view payload, Time at, Time received,
                               FleetSink& sink);

  uint32_t devices() const { return options_.devices; }
  std::string IdOf(uint32_t device) const;
  // The filter to subscribe to; empty if there is no command topic.
  std::string CommandFilter() const;
  const FleetStats& stats() const { return stats_; }

 private:
  struct Device {
    uint64_t random = 0;
    int64_t tick_us = GEMEL_NO_TIME;     // the one that it waits for
    std::array<uint64_t, 4> commands{};  // hashes of the last ids; the lowest bit: it was done
    uint32_t commands_count = 0;
  };
  struct Due {
    int64_t time_us;
    uint32_t device;
    bool operator>(const Due& other) const {
      return time_us != other.time_us ? time_us > other.time_us : device > other.device;
    }
  };
  struct FreeStates {
    std::align_val_t align;
    void operator()(std::byte* states) const { ::operator delete(states, align); }
  };

  Fleet(const gemel_device& device, FleetOptions options);
  Status Allocate();
  std::byte* StateOf(uint32_t device) { return states_.get() + device * stride_; }
  template <typename Body>
  bool Call(uint32_t device, FleetSink& sink, const Body& body);
  void Commit(uint32_t device, FleetSink& sink);
  void SetTick(uint32_t device, Time at);
  void DropStale();
  void SetSegment(uint32_t device, std::string_view name, std::string_view value);
  void RenderTopic(const route::Template& topic, uint32_t device, std::string& out) const;
  std::optional<uint32_t> FindDevice(std::string_view topic);
  CommandOutcome Do(uint32_t device, const ReceivedCommand& command, Time received,
                    FleetSink& sink);
  void Answer(uint32_t device, const ReceivedCommand& command, CommandOutcome outcome,
              FleetSink& sink);

  // Constant after construction.
  const gemel_device& table_;
  const FleetOptions options_;
  const size_t stride_;
  std::vector<std::string> names_;  // of the topics' segments but {id}
  size_t id_level_ = 0;             // of the command topic

  Time now_ = kNoTime;
  uint32_t started_ = 0;
  std::unique_ptr<std::byte[], FreeStates> states_;
  std::vector<Device> devices_;
  std::vector<std::string> segments_;  // encoded; a device's stand together, in the order of names_
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;  // with entries out of date
  FleetStats stats_;
  DeviceCall call_;
  std::vector<std::byte> undo_;
  std::string topic_;  // reused
  std::string text_;   // reused
};

}  // namespace gemel::simulate
