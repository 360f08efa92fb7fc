#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/sdk/device.hpp"

// Runs one device model alone, in virtual time: what does it publish, what does it state as true?
//
//   DeviceKit<FridgeDevice> device("f1");
//   for (const std::string& json : device.Advance(10s)) kit.Feed("f1", json);
//   device.Order("cool_down");
namespace gemel {

template <typename D>
class DeviceKit {
 public:
  explicit DeviceKit(std::string id, uint64_t seed = 1,
                     Time start = Time{std::chrono::seconds{1'700'000'000}})
      : id_(std::move(id)), random_(seed) {
    context_ = {};
    context_.base.struct_size = sizeof(gemel_device_context);
    context_.base.now_us = start.time_since_epoch().count();
    context_.base.id = ToText(id_);
    context_.base.random = [](gemel_device_context* c) { return Of(c).Random(); };
    context_.base.set_topic = [](gemel_device_context* c, gemel_text name, gemel_text value) {
      Of(c).topic_[std::string(ToView(name))] = std::string(ToView(value));
    };
    context_.base.publish = [](gemel_device_context* c, gemel_text payload) {
      Of(c).published_.emplace_back(ToView(payload));
    };
    context_.base.tick_at = [](gemel_device_context* c, int64_t time_us) {
      Of(c).tick_at_us_ = time_us;
    };
    context_.base.truth = [](gemel_device_context* c, gemel_text fault, int is_present) {
      Of(c).truth_[std::string(ToView(fault))] = is_present != 0;
    };
    context_.kit = this;
    DeviceContext wrapped(context_.base);
    D::on_start(state_, wrapped);
  }
  // The callbacks hold its address.
  DeviceKit(const DeviceKit&) = delete;
  DeviceKit& operator=(const DeviceKit&) = delete;

  // Moves the virtual present forward; what was published meanwhile, in order.
  std::vector<std::string> Advance(Duration duration) {
    const int64_t end_us = context_.base.now_us + duration.count();
    while (tick_at_us_ != GEMEL_NO_TIME && tick_at_us_ <= end_us) {
      context_.base.now_us = std::exchange(tick_at_us_, GEMEL_NO_TIME);
      DeviceContext wrapped(context_.base);
      D::on_tick(state_, wrapped);
    }
    context_.base.now_us = end_us;
    return std::exchange(published_, {});
  }

  void Order(std::string_view command, Arguments arguments = {}) {
    DeviceContext wrapped(context_.base);
    const gemel_argument* first = arguments.begin();
    D::on_command(state_, Command(command, {first, arguments.size()}), wrapped);
  }

  // Whether the device said that the fault is there, and has not said since that it is gone.
  bool has(std::string_view fault) const {
    const auto found = truth_.find(std::string(fault));
    return found != truth_.end() && found->second;
  }
  // Every fault that the device ever spoke of, with its present truth.
  const std::map<std::string, bool>& truth() const { return truth_; }
  const std::map<std::string, std::string>& topic() const { return topic_; }
  const std::string& id() const { return id_; }
  // To put the device into a situation.
  typename D::State& state() { return state_; }

 private:
  struct Context {
    gemel_device_context base;
    DeviceKit* kit;
  };

  static DeviceKit& Of(gemel_device_context* context) {
    return *reinterpret_cast<Context*>(context)->kit;
  }
  uint64_t Random() {  // xorshift64*; its state is never 0
    if (random_ == 0) random_ = 1;
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return random_ * 0x2545F4914F6CDD1DU;
  }

  std::string id_;
  uint64_t random_;
  Context context_;
  typename D::State state_{};
  int64_t tick_at_us_ = GEMEL_NO_TIME;
  std::vector<std::string> published_;
  std::map<std::string, bool> truth_;
  std::map<std::string, std::string> topic_;
};

}  // namespace gemel
