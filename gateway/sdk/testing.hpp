#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/sdk/model.hpp"

// Runs a model in process, without broker or threads, on the gateway's own twin code: feed
// messages, advance virtual time, look at state and effects. Link with gemel_testkit.
//
//   TestKit<Fridge> kit({.parameters = R"({"limit_c": 8})"});
//   kit.Feed("f1", R"({"temperature_c": 12})");
//   EXPECT_TRUE(kit.state("f1").is_warm);
//   EXPECT_EQ(kit.alerts("f1").front().code, "too_warm");
namespace gemel {

struct TestOptions {
  std::string parameters = "{}";  // the model's parameters, a JSON object
  std::string profile;            // CSV with a column id, as in the configuration; "" for none
  std::vector<std::pair<std::string, std::string>> tables;  // name, CSV text
  std::vector<std::string> others;  // further models, to which the model sends messages
  std::string
      time_pointer;  // JSON pointer to the event time in ms; "": messages are as old as `now`
  Time start = Time{std::chrono::seconds{1'700'000'000}};
};

struct TestCommand {
  std::string twin, name, arguments;  // arguments: a JSON object
  std::optional<Duration> expires;
};

struct TestMessage {
  std::string from_model, from_id, to_model, to_id, name;
};

struct TestTimer {
  std::string name;
  Time due;
  Duration every{0};  // zero: once
};

struct TestAlert {
  std::string twin, code, severity, status, message, properties;  // properties: a JSON object
  int64_t count = 0;
};

// Thrown by Feed when the gateway would have refused the message; what() is the dead letter's
// error.
class MessageRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class TestKitBase {
 public:
  // Throws std::invalid_argument if the model, its parameters or tables would be refused at start.
  // Of `others` there are no twins, only names that messages can be sent to.
  TestKitBase(const gemel_model& model, const TestOptions& options);
  // A scripted model.
  TestKitBase(const std::filesystem::path& script, const TestOptions& options);
  ~TestKitBase();

  // One JSON message of the twin at the virtual present; creates the twin if it is new.
  void Feed(std::string_view id, std::string_view json);
  // With named segments of the topic: {{"region", "WA"}}.
  void Feed(std::string_view id, std::string_view json,
            const std::vector<std::pair<std::string, std::string>>& topic);
  // Moves the virtual present forward; timers that are due by then fire at their time. Throws
  // MessageRefused at the moment at which on_timer fails; what is due later has not fired then.
  void Advance(Duration duration);
  Time now() const;

  // Commands since the last call, in order.
  std::vector<TestCommand> TakeCommands();
  // Messages that twins have sent since the last call, in order. Those to twins of the model itself
  // have arrived, too.
  std::vector<TestMessage> TakeMessages();
  // A message of another twin, at the virtual present; makes the twin if it is new. Throws
  // MessageRefused if on_message fails.
  void Message(std::string_view id, std::string_view from_model, std::string_view from_id,
               std::string_view name, Arguments arguments = {});
  // Alerts that were raised or cleared since the last call, in order.
  std::vector<TestAlert> TakeAlerts();
  // The alerts of a twin that are active now.
  std::vector<TestAlert> alerts(std::string_view id) const;
  // The timers of a twin that are armed, by their names.
  std::vector<TestTimer> timers(std::string_view id) const;
  // Value of a field as JSON text, "null" if it has none: what `gemel get` would show. A symbol is
  // shown as its text.
  std::string Field(std::string_view id, std::string_view field) const;
  // How many there are.
  size_t twins() const;

 protected:
  // Throws std::out_of_range if there is no such twin.
  const void* RawState(std::string_view id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <typename Model>
class TestKit : public TestKitBase {
 public:
  explicit TestKit(const TestOptions& options = {}) : TestKitBase(*ModelTable<Model>(), options) {}
  const typename Model::State& state(std::string_view id) const {
    return *static_cast<const typename Model::State*>(RawState(id));
  }
};

}  // namespace gemel
