#include "gateway/simulate/device_call.h"

#include "gateway/sdk/arguments.hpp"

namespace gemel::simulate {
namespace {

constexpr uint64_t kStep = 0x9E3779B97F4A7C15U;

// The finalizer of splitmix64.
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

}  // namespace

uint64_t NextRandom(uint64_t& state) { return Mix(state += kStep); }

uint64_t RandomStart(uint64_t seed, uint64_t device) {
  return Mix(Mix(seed + kStep) + device * kStep);
}

DeviceCall::DeviceCall() {
  c_.context.struct_size = sizeof(gemel_device_context);
  c_.context.random = &Random;
  c_.context.set_topic = &SetTopic;
  c_.context.publish = &Publish;
  c_.context.tick_at = &TickAt;
  c_.context.truth = &State;
  c_.call = this;
}

void DeviceCall::Begin(Time now, std::string_view id, uint64_t random) {
  c_.context.now_us = now.time_since_epoch().count();
  c_.context.id = ToText(id);
  random_ = random;
  tick_.reset();
  payloads_count_ = 0;
  segments_.clear();
  facts_.clear();
}

uint64_t DeviceCall::Random(gemel_device_context* context) {
  return NextRandom(From(context).random_);
}

void DeviceCall::SetTopic(gemel_device_context* context, gemel_text name, gemel_text value) {
  From(context).segments_.emplace_back(ToView(name), ToView(value));
}

void DeviceCall::Publish(gemel_device_context* context, gemel_text payload) {
  DeviceCall& call = From(context);
  if (call.payloads_count_ == call.payloads_.size()) call.payloads_.emplace_back();
  call.payloads_[call.payloads_count_++].assign(payload.data, payload.size);
}

void DeviceCall::TickAt(gemel_device_context* context, int64_t time_us) {
  From(context).tick_ = Time{Duration{time_us}};
}

void DeviceCall::State(gemel_device_context* context, gemel_text fault, int is_present) {
  From(context).facts_.push_back({std::string(ToView(fault)), is_present != 0});
}

}  // namespace gemel::simulate
