#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "gateway/base/status.h"
#include "gateway/sdk/model.hpp"
#include "gateway/simulate/fleet.h"

// A small device for tests, and a fleet of it.
namespace gemel::simulate {

// Publishes a number every second, at times of its own within it. Commands: "set" sets the number
// and publishes it, "break" throws, "stick" makes it throw at the next tick.
struct ProbeDevice {
  struct State {
    double number = 0;
    int64_t seq = 0;
    bool is_stuck = false;
  };
  static void on_start(State& state, DeviceContext& context) {
    state.number = context.uniform();
    context.set_topic("region", context.chance(0.5) ? "A/B" : "Z+ü");
    context.tick_in(FromSeconds(context.uniform(0.001, 1)));
  }
  static void on_tick(State& state, DeviceContext& context) {
    ++state.seq;
    state.number += context.uniform(-1, 1);
    Publish(state, context);
    context.truth("odd", state.seq % 2 == 1);
    context.tick_in(std::chrono::seconds(1));
    if (state.is_stuck) throw std::runtime_error("stuck");
  }
  static void on_command(State& state, const Command& command, DeviceContext& context) {
    if (command.name() == "set") {
      state.number = command.number("to", -1);
      Publish(state, context);
    } else if (command.name() == "stick") {
      state.is_stuck = true;
    } else if (command.name() == "break") {
      state.number = -1'000;
      context.tick_in(std::chrono::milliseconds(1));
      throw std::runtime_error("broken");
    }
  }
  static void Publish(const State& state, DeviceContext& context) {
    Json json;
    json.Add("seq", state.seq).Add("time_ms", context.now_ms()).Add("number", state.number);
    context.publish(json);
  }
};

struct ProbeModel {
  struct State {
    Last<double> number;
  };
  using Device = ProbeDevice;
  static constexpr const char* kName = "probe";
  static constexpr const char* kMeaning = "A number.";
  static const Fields<State>& fields() {
    static const Fields<State> kFields = {
        telemetry(&State::number, "number", "", "The number."),
    };
    return kFields;
  }
  explicit ProbeModel(const Setup& /*setup*/) {}
  void on_telemetry(State& /*state*/, const Message& /*message*/, Context& /*context*/) const {}
};

// Remembers all that a fleet puts out.
struct Recorder : FleetSink {
  struct Message {
    FleetMessage::Kind kind;
    uint32_t device;
    std::string topic, payload;
  };
  void OnMessage(const FleetMessage& message) override {
    messages.push_back(
        {message.kind, message.device, std::string(message.topic), std::string(message.payload)});
  }
  void OnTruth(const Truth& truth) override { AppendTruthLine(truth, truths); }

  // Topics and payloads, a line each.
  std::string Text() const {
    std::string text;
    for (const Message& message : messages) text += message.topic + " " + message.payload + "\n";
    return text;
  }
  std::vector<std::string> Answers() const {
    std::vector<std::string> answers;
    for (const Message& message : messages) {
      if (message.kind == FleetMessage::Kind::kAnswer) answers.push_back(message.payload);
    }
    return answers;
  }
  size_t TelemetryOf(uint32_t device) const {
    size_t count = 0;
    for (const Message& message : messages) {
      count += message.device == device && message.kind == FleetMessage::Kind::kTelemetry;
    }
    return count;
  }

  std::vector<Message> messages;
  std::string truths;
};

inline constexpr Time kStart{std::chrono::seconds(1'700'000'000)};

inline route::Template Topic(const char* text) {
  return std::move(route::Template::Parse(text)).value();
}

inline FleetOptions ProbeOptions(uint32_t devices, uint64_t seed = 1) {
  return {.model = "probe",
          .devices = devices,
          .seed = seed,
          .telemetry = Topic("lab/probe/{id}/telemetry"),
          .command = Topic("lab/probe/{id}/command"),
          .answer = Topic("lab/probe/{id}/command/ack")};
}

// Not begun.
inline std::unique_ptr<Fleet> ProbeFleet(FleetOptions options) {
  return std::move(Fleet::Create(ModelTable<ProbeModel>()->device, std::move(options))).value();
}

inline std::string CommandText(const std::string& id, const std::string& name,
                               const std::string& args = "{}", const std::string& more = "") {
  return R"({"id":")" + id + R"(","time_ms":0,"name":")" + name + R"(","args":)" + args + more +
         "}";
}

}  // namespace gemel::simulate
