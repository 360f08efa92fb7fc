#pragma once

#include <charconv>
#include <cstdint>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "gateway/sdk/arguments.hpp"
#include "gateway/sdk/types.hpp"

// A device model: a simulated source of telemetry, for demonstrations and to prove a twin before
// the real fleet connects. A class of this shape, named `Device` in the model (`using Device =
// ...`):
//
//   struct FridgeDevice {
//     struct State { double temperature_c = 4.0; };  // trivially copyable
//     static void on_start(State& state, DeviceContext& context);
//     static void on_tick(State& state, DeviceContext& context);
//     static void on_command(State& state, const Command& command, DeviceContext& context);
//   };
namespace gemel {

// Builds one flat JSON object. Keys and text are escaped; numbers are the shortest that read back.
class Json {
 public:
  Json& Add(std::string_view name, double value);
  Json& Add(std::string_view name, int64_t value);
  Json& Add(std::string_view name, bool value);
  Json& Add(std::string_view name, std::string_view value);
  Json& Add(std::string_view name, const char* value) { return Add(name, std::string_view(value)); }
  // Closes the object. Call it once.
  const std::string& Done() {
    text_ += text_.empty() ? "{}" : "}";
    return text_;
  }

 private:
  void Name(std::string_view name);
  void Quote(std::string_view text);
  std::string text_;
};

// What the simulator offers to a device.
class DeviceContext {
 public:
  explicit DeviceContext(gemel_device_context& context) : context_(context) {}

  Time now() const { return Time{Duration{context_.now_us}}; }
  int64_t now_ms() const { return context_.now_us / 1'000; }
  std::string_view id() const { return ToView(context_.id); }
  // From the simulation's seed: the same run gives the same numbers.
  uint64_t random() { return context_.random(&context_); }
  double uniform() { return static_cast<double>(random() >> 11) * 0x1.0p-53; }  // [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }

  void set_topic(std::string_view name, std::string_view value) {
    context_.set_topic(&context_, ToText(name), ToText(value));
  }
  void publish(Json& json) { context_.publish(&context_, ToText(json.Done())); }
  // Without it on_tick is not called again.
  void tick_in(Duration duration) {
    context_.tick_at(&context_, context_.now_us + duration.count());
  }
  // States what is really so, to judge the twin by: a fault begins or ends.
  void truth(std::string_view fault, bool is_present) {
    context_.truth(&context_, ToText(fault), is_present ? 1 : 0);
  }

 private:
  gemel_device_context& context_;
};

// A command as the device got it.
class Command {
 public:
  Command(std::string_view name, std::span<const gemel_argument> arguments)
      : name_(name), arguments_(arguments) {}
  std::string_view name() const { return name_; }
  double number(std::string_view name, double otherwise) const {
    for (const gemel_argument& argument : arguments_) {
      if (ToView(argument.name) != name) continue;
      if (argument.value.type == GEMEL_DOUBLE) return argument.value.as.number;
      if (argument.value.type == GEMEL_INT64) return static_cast<double>(argument.value.as.integer);
    }
    return otherwise;
  }
  std::string_view text(std::string_view name) const {
    for (const gemel_argument& argument : arguments_) {
      if (ToView(argument.name) == name && argument.value.type == GEMEL_TEXT) {
        return {argument.value.as.text, argument.value.length};
      }
    }
    return {};
  }

 private:
  std::string_view name_;
  std::span<const gemel_argument> arguments_;
};

namespace device_internal {

// A device that throws is a bug of the simulation: the call has no effect and says so by 1.
template <typename Body>
int Guard(const Body& body) noexcept {
  try {
    body();
    return 0;
  } catch (...) {
    return 1;
  }
}

}  // namespace device_internal

// The C table of a device class.
template <typename D>
const gemel_device* DeviceTable() {
  static_assert(std::is_trivially_copyable_v<typename D::State>, "a state is copied as bytes");
  using State = typename D::State;
  static const gemel_device kTable = {
      sizeof(gemel_device),
      sizeof(State),
      alignof(State),
      0,
      [](void* state) { new (state) State{}; },
      [](void* state, gemel_device_context* context) {
        return device_internal::Guard([&] {
          DeviceContext wrapped(*context);
          D::on_start(*static_cast<State*>(state), wrapped);
        });
      },
      [](void* state, gemel_device_context* context) {
        return device_internal::Guard([&] {
          DeviceContext wrapped(*context);
          D::on_tick(*static_cast<State*>(state), wrapped);
        });
      },
      [](void* state, gemel_device_context* context, gemel_text name,
         const gemel_argument* arguments, size_t count) {
        return device_internal::Guard([&] {
          DeviceContext wrapped(*context);
          D::on_command(*static_cast<State*>(state), Command(ToView(name), {arguments, count}),
                        wrapped);
        });
      }};
  return &kTable;
}

// Inline because a plug-in links nothing of the gateway.
inline void Json::Name(std::string_view name) {
  text_ += text_.empty() ? '{' : ',';
  Quote(name);
  text_ += ':';
}
inline void Json::Quote(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  text_ += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (byte < 0x20) {
      text_ += "\\u00";
      text_ += kHex[byte >> 4];
      text_ += kHex[byte & 15];
    } else {
      text_ += c;
    }
  }
  text_ += '"';
}
inline Json& Json::Add(std::string_view name, double value) {
  Name(name);
  if (!std::isfinite(value)) {
    text_ += "null";
    return *this;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  text_.append(buffer, end);
  return *this;
}
inline Json& Json::Add(std::string_view name, int64_t value) {
  Name(name);
  text_ += std::to_string(value);
  return *this;
}
inline Json& Json::Add(std::string_view name, bool value) {
  Name(name);
  text_ += value ? "true" : "false";
  return *this;
}
inline Json& Json::Add(std::string_view name, std::string_view value) {
  Name(name);
  Quote(value);
  return *this;
}

}  // namespace gemel
