#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/sdk/model.h"
#include "gateway/sdk/types.hpp"

namespace gemel::simulate {

// The next number of a device's generator; `state` is all that it remembers.
uint64_t NextRandom(uint64_t& state);
// Where the generator of a device begins: neighbouring seeds and devices have nothing in common.
uint64_t RandomStart(uint64_t seed, uint64_t device);

// The context that a device's functions get, and what they asked for meanwhile: kept back until the
// call has succeeded. One a fleet, reused for every call; not thread-safe.
class DeviceCall {
 public:
  DeviceCall();
  DeviceCall(const DeviceCall&) = delete;
  DeviceCall& operator=(const DeviceCall&) = delete;

  // Forgets the last call. `id` outlives this one.
  void Begin(Time now, std::string_view id, uint64_t random);
  gemel_device_context* context() { return &c_.context; }

  struct Fact {
    std::string fault;
    bool is_present = false;
  };
  using Segment = std::pair<std::string, std::string>;

  uint64_t random() const { return random_; }
  std::optional<Time> tick() const { return tick_; }
  std::span<const std::string> payloads() const { return {payloads_.data(), payloads_count_}; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<Fact>& facts() const { return facts_; }

 private:
  // So that the functions find the call from the context that they are given.
  struct Outer {
    gemel_device_context context{};
    DeviceCall* call = nullptr;
  };
  static DeviceCall& From(gemel_device_context* c) { return *reinterpret_cast<Outer*>(c)->call; }
  static uint64_t Random(gemel_device_context* context);
  static void SetTopic(gemel_device_context* context, gemel_text name, gemel_text value);
  static void Publish(gemel_device_context* context, gemel_text payload);
  static void TickAt(gemel_device_context* context, int64_t time_us);
  static void State(gemel_device_context* context, gemel_text fault, int is_present);

  Outer c_;
  uint64_t random_ = 0;
  std::optional<Time> tick_;
  std::vector<std::string> payloads_;  // reused, so that they keep their memory
  size_t payloads_count_ = 0;
  std::vector<Segment> segments_;
  std::vector<Fact> facts_;
};

}  // namespace gemel::simulate
