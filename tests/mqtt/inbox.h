#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "gateway/mqtt/client.h"
#include "tests/support/process.h"

namespace gemel::mqtt {

// Keeps what a receiver hands over and reports, for the test's thread to wait for.
class Inbox {
 public:
  struct Message {
    std::string topic;
    std::string payload;
    int qos = 0;
    bool is_retained = false;
  };
  struct State {
    bool is_receiving = false;
    std::string why;
  };

  MessageHandler on_message() {
    return [this](const Inbound& message) {
      Add(messages_, Message{std::string(message.topic), std::string(message.payload), message.qos,
                             message.is_retained});
    };
  }
  StateHandler on_state() {
    return [this](bool is_receiving, std::string_view why) {
      Add(states_, State{is_receiving, std::string(why)});
    };
  }

  std::vector<Message> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  std::vector<std::string> payloads() const {
    std::vector<std::string> payloads;
    for (const Message& message : messages()) payloads.push_back(message.payload);
    return payloads;
  }
  State last_state() const {
    const std::lock_guard lock(mutex_);
    return states_.empty() ? State{} : states_.back();
  }
  std::string whys() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const State& state : states_) all += state.why + "\n";
    return all;
  }

  bool AwaitMessages(size_t count) {
    return Await([&] { return messages_.size() >= count; });
  }
  bool AwaitPayload(std::string_view payload) {
    return Await([&] {
      return std::ranges::any_of(messages_, [&](const Message& m) { return m.payload == payload; });
    });
  }
  bool AwaitReceiving(std::chrono::milliseconds patience = support::kPatience) {
    return Await([&] { return !states_.empty() && states_.back().is_receiving; }, patience);
  }
  bool AwaitLoss() {
    return Await([&] { return !states_.empty() && !states_.back().is_receiving; });
  }
  // That some state was reported with `text` in its reason since the last call of Forget.
  bool AwaitWhy(std::string_view text) {
    return Await([&] {
      return std::ranges::any_of(
          states_, [&](const State& s) { return s.why.find(text) != std::string::npos; });
    });
  }
  void Forget() {
    const std::lock_guard lock(mutex_);
    messages_.clear();
    states_.clear();
  }

 private:
  template <typename T>
  void Add(std::vector<T>& to, T value) {
    const std::lock_guard lock(mutex_);
    to.push_back(std::move(value));
    changed_.notify_all();
  }
  bool Await(const std::function<bool()>& condition,
             std::chrono::milliseconds patience = support::kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }

  mutable std::mutex mutex_;  // Paho's threads add, the test waits
  std::condition_variable changed_;
  std::vector<Message> messages_;
  std::vector<State> states_;
};

inline std::string VersionName(const ::testing::TestParamInfo<Version>& version) {
  return version.param == Version::k5 ? "Mqtt5" : "Mqtt311";
}

// As the tests connect: short waits, so that they don't take minutes.
inline Connection ConnectionTo(const std::string& uri, Version version = Version::k5) {
  Connection connection;
  connection.uri = uri;
  connection.client_id = "gemel-test";
  connection.version = version;
  connection.reconnect_min = std::chrono::milliseconds(20);
  connection.reconnect_max = std::chrono::milliseconds(500);
  return connection;
}

}  // namespace gemel::mqtt
